"""The idle part of a local site: a room apart, in which a job's ranks run from a checkpoint and nothing of it ships.

All ranks run on idle slots' behalf as processes of the prover, at the lowest priority: one idle slot is enough where
they compute on CPUs. A room is a site's folder in miniature, below the site's own, which no replicator watches.
Invariant: the first change of what the site shall run ends them; they die with the prover; they carry the site's mark,
so that a fence finds them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, cast

from drstack.errors import ActuatorFailed
from drstack.platforms.local.attempts import free_port
from drstack.platforms.local.desired import DesiredJob, read_desired, told_otherwise
from drstack.platforms.local.folder import SiteFolder
from drstack.platforms.local.jobs import read_definition
from drstack.platforms.local.launch import attempt_id, device_of, gpus_present, plan_launch
from drstack.platforms.local.logs import tail
from drstack.platforms.local.pool import read_bounds
from drstack.platforms.local.processes import MARKER
from drstack.platforms.local.tether import die_with
from drstack.platforms.local.waiting import Deadline
from drstack.proving.losses import LossesUnreadable, step_loss
from drstack.proving.ports import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from drstack.platforms.local.desired import Desired
    from drstack.platforms.local.jobs import JobDefinition
    from drstack.platforms.local.launch import Launch

POLL_S = 0.1
LOWEST = 19
ABROAD = ("WANDB_", "MLFLOW_", "COMET_", "NEPTUNE_")
"""What a job's own definition may name of services that it reports to."""
_SHIPS = ("DRSTACK_", "PULUMI_", "AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", *ABROAD)
"""What a job could send something away with, or take for its real place."""


_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class LocalStandby:
    """Implements `drstack.proving.ports.Standby`; to be used while it is held."""

    def __init__(self, folder: SiteFolder, site: str) -> None:
        self._folder = folder
        self._site = site
        self._found: Desired | None = None

    @property
    def site(self) -> str:
        return self._site

    @contextlib.contextmanager
    def held(self, *, wait_s: float = 0.0) -> Generator[None]:
        """Be the only prover of the site, and take it as it is now for idle.

        ActuatorFailed if another one is at it and has not ended after `wait_s`.
        """
        self._folder.run.mkdir(parents=True, exist_ok=True)
        deadline = Deadline(wait_s)
        with (self._folder.run / "proving.lock").open("a") as lock:
            if not deadline.until(lambda: _locked(lock), POLL_S):
                raise ActuatorFailed(
                    f"site {self._site}: another proof is running there",
                    hint="Run the command again when it has ended.",
                )
            shutil.rmtree(self._folder.proving, ignore_errors=not self._folder.proving.exists())
            self._found = read_desired(self._folder)
            yield

    def wanted(self) -> str | None:
        if (why := told_otherwise(self._folder, self._site, self._found)) is not None:
            return why
        return None if self._found and idle_slots(self._found) else f"site {self._site} has no idle slot"

    @contextlib.contextmanager
    def room(self, workload: str) -> Generator[LocalRoom]:
        definition = read_definition(self._folder, workload)
        if definition is None or self._found is None:
            raise ActuatorFailed(
                f"site {self._site}: {workload} has no job here", hint="drstack up ENV makes the site's pool and jobs."
            )
        bounds = read_bounds(self._folder)
        place = SiteFolder(self._folder.proving / secrets.token_hex(6))
        for path in (place.logs, place.metrics(workload).parent, place.checkpoints(definition.program.checkpoints)):
            path.mkdir(parents=True)
        try:
            yield LocalRoom(
                place,
                self._folder,
                definition,
                idle_slots(self._found),
                bounds.devices if bounds is not None else "cpu",
                max(definition.ranks, bounds.maximum if bounds is not None else 0),
            )
        finally:
            shutil.rmtree(place.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class LocalRoom:
    """Implements `drstack.proving.ports.Room`. `place` is where all of it lies."""

    place: SiteFolder
    site: SiteFolder
    definition: JobDefinition
    idle: tuple[int, ...]
    devices: str
    most_ranks: int

    @property
    def checkpoints(self) -> Path:
        return self.place.checkpoints(self.definition.program.checkpoints)

    def run(
        self,
        *,
        ranks: int,
        resume_step: int | None,
        steps: int,
        deadline_s: float,
        give_way: Callable[[], str | None],
    ) -> Replay:
        job = self._job(ranks)
        if isinstance(job, str):
            return Replay("not started", job)
        metrics = self.place.metrics(self.definition.workload)
        metrics.unlink(missing_ok=True)
        children: list[subprocess.Popen[bytes]] = []
        try:
            for rank in range(ranks):
                children.append(self._start(rank, job, resume_step, steps))
            return self._watch(children, job, resume_step or 0, steps, deadline_s, give_way)
        except OSError as error:
            return Replay("not started", str(error))
        finally:
            for child in children:
                _end(child)

    def _job(self, ranks: int) -> DesiredJob | str:
        """The job to launch; why not, where the site cannot have so many ranks, or too few GPUs are idle."""
        if ranks > self.most_ranks:
            return f"the run had {ranks} ranks, more than this site can have ({self.most_ranks})"
        if not self.idle:
            return "no slot is idle"
        slots = tuple(self.idle[rank % len(self.idle)] for rank in range(ranks))
        if self.devices == "auto" and gpus_present() and len(self.idle) < ranks:
            return f"{ranks} ranks need {ranks} idle slots with a GPU each; {len(self.idle)} are idle"
        program, job_token = self.definition.program, secrets.token_hex(8)
        kept = {name: value for name, value in program.env.items() if not name.startswith(ABROAD)}
        return DesiredJob(
            running=True, generation=1, token=job_token, exact=True, resume_step=None, ranks=ranks,
            slots=slots, port=free_port(), rdzv_id=secrets.token_hex(8), metrics_offset=0,
            program=replace(program, env=kept),
        )  # fmt: skip

    def _start(self, rank: int, job: DesiredJob, resume_step: int | None, steps: int) -> subprocess.Popen[bytes]:
        device = device_of(job.slots[rank], job.slots, "auto" if self.devices == "auto" else "cpu", gpus_present())
        launch = plan_launch(
            self.place, self.definition.workload, job, rank=rank, attempt=0, port=job.port, resume_step=resume_step,
            device=device, inherited={**harmless(os.environ), "DRSTACK_REPLAY_STEPS": str(steps)},
        )  # fmt: skip
        return self._spawn(rank, launch)

    def _spawn(self, rank: int, launch: Launch) -> subprocess.Popen[bytes]:
        parent = os.getpid()

        def apart() -> None:
            die_with(parent)
            os.nice(LOWEST)

        with self._log(rank).open("ab") as log:
            return subprocess.Popen(
                launch.argv, env={**launch.env, MARKER: str(self.site.path)}, cwd=self.site.path,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=apart,  # noqa: PLW1509 — no other thread runs while ranks are started
            )  # fmt: skip

    def _watch(
        self,
        children: list[subprocess.Popen[bytes]],
        job: DesiredJob,
        resume_step: int,
        steps: int,
        deadline_s: float,
        give_way: Callable[[], str | None],
    ) -> Replay:
        ends_at = time.monotonic() + deadline_s
        wanted = range(resume_step + 1, resume_step + steps + 1)
        while True:
            codes = [child.poll() for child in children]
            try:
                seen = read_replay(self.place.metrics(self.definition.workload), attempt_id(job.rdzv_id, 0))
            except LossesUnreadable as error:
                return Replay("crashed", str(error))
            if all(step in seen.losses for step in wanted):
                return replace(seen, losses={step: seen.losses[step] for step in wanted})
            if (ended := self._ended(codes)) is not None:
                return ended
            if (why := give_way()) is not None:
                return Replay("gave way", why)
            if time.monotonic() > ends_at:
                made = max(seen.losses, default=None)
                reached = f"it is at step {made}" if made is not None else "it has made no step"
                return Replay("timed out", f"{reached} after {deadline_s:g} s; {tail(self._log(0), 1)}")
            time.sleep(POLL_S)

    def _ended(self, codes: list[int | None]) -> Replay | None:
        """A rank that somebody ended says nothing; one that ended by itself, or fell, says why in its log."""
        killed = next((rank for rank, code in enumerate(codes) if code is not None and -code in _FROM_OUTSIDE), None)
        if killed is not None:
            return Replay(
                "killed", f"rank {killed} by signal {-cast('int', codes[killed])}: {tail(self._log(killed), 1)}"
            )
        bad = next((rank for rank, code in enumerate(codes) if code), None)
        if bad is not None:
            return Replay("crashed", f"rank {bad} exited {codes[bad]}: {tail(self._log(bad), 1)}")
        if all(code == 0 for code in codes):
            return Replay("crashed", f"it ended well before it had made its steps: {tail(self._log(0), 1)}")
        return None

    def _log(self, rank: int) -> Path:
        return self.place.log(f"{self.definition.workload}-rank{rank}")


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def idle_slots(desired: Desired) -> tuple[int, ...]:
    """Slots that run and that no job has."""
    taken = {slot for job in desired.jobs.values() if job.running for slot in job.slots}
    return tuple(slot for slot in range(desired.slots) if slot not in taken)


def harmless(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what something could be shipped with."""
    return {name: value for name, value in environ.items() if not name.startswith(_SHIPS)} | {"WANDB_MODE": "disabled"}


def read_replay(metrics: Path, attempt: str) -> Replay:
    """What the run's metrics say of this attempt, as `done`. LossesUnreadable if a step has no loss."""
    start: dict[str, Any] = {}
    losses: dict[int, float] = {}
    for number, line in enumerate(_lines(metrics), 1):
        try:
            row: Any = json.loads(line)
        except ValueError:
            continue
        if not isinstance(row, dict):
            continue
        event = cast("dict[str, Any]", row)
        if event.get("event") == "start" and event.get("attempt") == attempt:
            start = event
        elif event.get("event") == "step" and start:
            step, loss = step_loss(event, f"metrics line {number}")
            losses[step] = loss
    resumed, exact, versions = start.get("resumed_step"), start.get("exact"), start.get("versions")
    return Replay(
        "done", resumed_step=resumed if isinstance(resumed, int) else None,
        exact=exact if isinstance(exact, bool) else None,
        versions={str(k): str(v) for k, v in cast("dict[Any, Any]", versions).items()} if isinstance(versions, dict) else {},
        losses=losses,
    )  # fmt: skip


def _lines(path: Path) -> list[str]:
    """Whole lines only."""
    try:
        return path.read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(10)
