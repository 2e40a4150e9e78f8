"""One "GPU node" of a local site: `python -m drstack.platforms.local.slot --site FOLDER --slot N`.

Runs the rank that the desired state gives to this slot, and ends it when it is no longer wanted or another generation
is. Invariant: at most one rank at a time, in a session of its own, which dies with the slot.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed
from drstack.platforms.local.atomic import read_json, write_json
from drstack.platforms.local.attempts import Attempt, note_done, note_failure, read_attempt
from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.launch import Devices, Launch, device_of, gpus_present, plan_launch
from drstack.platforms.local.lease import may_run
from drstack.platforms.local.metrics import read_run
from drstack.platforms.local.programs import SLOT_GRACE_S
from drstack.platforms.local.replicas import attempts_of, plan_replica
from drstack.platforms.local.tether import die_with

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.platforms.local.desired import DesiredJob

POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Rank:
    """What the slot is to run, and at which attempt."""

    workload: str
    job: DesiredJob
    rank: int
    attempt: Attempt

    def same_start(self, other: Rank | None) -> bool:
        mine = (self.workload, self.rank, self.job.generation, self.attempt.number)
        theirs = other and (other.workload, other.rank, other.job.generation, other.attempt.number)
        return mine == theirs


class Slot:
    def __init__(self, folder: SiteFolder, index: int) -> None:
        self._folder = folder
        self._index = index
        self._running: Rank | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._shown: dict[str, object] | None = None
        bounds = read_json(folder.bounds) or {}
        self._devices: Devices = "auto" if bounds.get("devices") == "auto" else "cpu"

    def turn(self) -> None:
        """Look at what is wanted and move one step towards it."""
        if self._running is not None and not self._may_run(self._running.workload, self._running.job):
            self._lapse(self._running)
        wanted = self._wanted()
        if self._running is not None:
            if wanted is None or not wanted.same_start(self._running):
                self.stop()
            elif self._child is not None and self._child.poll() is not None:
                self._ended(self._running, self._child.returncode)
                return
        if wanted is None or wanted.rank in wanted.attempt.done:
            self._show("idle" if wanted is None else "done", wanted)
        elif self._child is None:
            if not self._may_run(wanted.workload, wanted.job):
                self._show("without a lease", wanted)
            elif time.time() >= wanted.attempt.not_before:
                self._start(wanted)
            else:
                self._show("waiting", wanted)

    def stop(self) -> None:
        """End the rank: SIGTERM, a grace to save in, then SIGKILL for all of its group."""
        child, self._child, self._running = self._child, None, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(SLOT_GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(child)
        self._show("idle", None)

    def _may_run(self, workload: str, job: DesiredJob) -> bool:
        """Replicas write nothing: they need no lease."""
        return job.program.serving is not None or may_run(self._folder, workload)

    def _lapse(self, rank: Rank) -> None:
        """End the rank at once: its lease is over, and there is no time for it to save in."""
        child, self._child, self._running = self._child, None, None
        if child is not None:
            _kill_group(child)
        if self._folder.path.is_dir():
            self._failed(rank, "its lease was not renewed")
            self._show("without a lease", rank)

    def _wanted(self) -> Rank | None:
        desired = read_desired(self._folder)
        found = desired and desired.assigned(self._index)
        if not found:
            return None
        workload, job, rank = found
        return Rank(workload, job, rank, read_attempt(self._folder, attempts_of(workload, job, rank), job))

    def _launch(self, wanted: Rank) -> Launch:
        device = device_of(self._index, wanted.job.slots, self._devices, gpus_present())
        if wanted.job.program.serving is not None:
            return plan_replica(
                self._folder, wanted.workload, wanted.job, rank=wanted.rank, device=device, inherited=os.environ
            )
        return plan_launch(
            self._folder, wanted.workload, wanted.job, rank=wanted.rank, attempt=wanted.attempt.number,
            port=wanted.attempt.port, resume_step=self._resume_step(wanted), device=device, inherited=os.environ,
        )  # fmt: skip

    def _start(self, wanted: Rank) -> None:
        launch = self._launch(wanted)
        slot = os.getpid()
        with self._log(wanted).open("ab") as log:
            try:
                self._child = subprocess.Popen(
                    launch.argv,
                    env=dict(launch.env),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=lambda: die_with(slot),  # noqa: PLW1509 — this process has one thread
                )
            except OSError as error:
                self._failed(wanted, f"did not start: {error}")
                return
        self._running = wanted
        self._show("running", wanted)

    def _resume_step(self, wanted: Rank) -> int | None:
        """The step that must be resumed: once this generation has made a step, its own checkpoints are newer."""
        job = wanted.job
        if not job.exact or not job.resume_step:
            return None
        if wanted.attempt.number == 0:
            return job.resume_step
        made = read_run(self._folder.metrics(wanted.workload), offset=job.metrics_offset, rdzv_id=job.rdzv_id)
        return job.resume_step if made.first_step is None else None

    def _ended(self, rank: Rank, code: int) -> None:
        child, self._child, self._running = self._child, None, None
        if child is not None:
            _kill_group(child)
        if code == 0 and rank.job.program.serving is None:
            note_done(self._folder, rank.workload, rank.job, rank.attempt, rank.rank)
            self._show("done", rank)
            return
        ended = f"was killed by signal {-code}" if code < 0 else f"exited {code}"
        why = f"rank {rank.rank} {ended}: {self._last_words(rank)}"
        self._failed(rank, why)
        self._show("failed", rank)

    def _failed(self, rank: Rank, why: str) -> None:
        """Begin the next attempt: of all ranks together, of a replica alone."""
        note_failure(self._folder, attempts_of(rank.workload, rank.job, rank.rank), rank.job, rank.attempt, why)

    def _last_words(self, rank: Rank) -> str:
        try:
            with self._log(rank).open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - 4096))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")

    def _log(self, rank: Rank) -> Path:
        return self._folder.log(f"{rank.workload}-rank{rank.rank}")

    def _show(self, state: str, rank: Rank | None) -> None:
        shown: dict[str, object] = {
            "pid": os.getpid(),
            "state": state,
            "workload": rank and rank.workload,
            "rank": rank and rank.rank,
            "generation": rank and rank.job.generation,
            "attempt": rank and rank.attempt.number,
            "child": self._child and self._child.pid,
        }
        if shown != self._shown:
            write_json(self._folder.slot(self._index), shown)
            self._shown = shown


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(5)


def main() -> int:
    parser = argparse.ArgumentParser(description="One worker slot of a local site.")
    parser.add_argument("--site", required=True)
    parser.add_argument("--slot", type=int, required=True)
    given = parser.parse_args()
    die_with(os.getppid())
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: asked.append(received))
    slot = Slot(site_folder(given.site), given.slot)
    while not asked:
        try:
            slot.turn()
        except (ActuatorFailed, OSError) as error:
            print(f"slot {given.slot}: {error}", file=sys.stderr)  # noqa: T201 — supervisord keeps it as the log
            time.sleep(1)
        time.sleep(POLL_S)
    slot.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
