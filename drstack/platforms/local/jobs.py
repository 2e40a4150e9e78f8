"""A workload's job at a local site: its definition, which Pulumi owns, and its starts, which actuators ask for.

Invariant: a token starts a job once, however many operators ask with it at a time: stopping, setting aside and starting
each decide under the lock of the desired state. What a start must not see, checkpoints newer than the step it resumes,
is set aside first and never deleted.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from drstack.errors import ActuatorFailed
from drstack.platforms.local.atomic import read_json, write_json
from drstack.platforms.local.attempts import free_port, read_attempt
from drstack.platforms.local.desired import Desired, DesiredJob, Program, change, parse_program, read_desired
from drstack.platforms.local.logs import tail
from drstack.platforms.local.processes import runs_for
from drstack.platforms.local.waiting import Deadline

if TYPE_CHECKING:
    from drstack.platforms.local.folder import SiteFolder

_CHECKPOINT = re.compile(r"step-(\d{8})")


@dataclass(frozen=True, slots=True)
class JobDefinition:
    workload: str
    ranks: int
    program: Program


def define(folder: SiteFolder, definition: JobDefinition) -> None:
    """Write what the next start runs; what runs now goes on."""
    folder.checkpoints(definition.program.checkpoints).mkdir(parents=True, exist_ok=True)
    write_json(folder.job(definition.workload), cast("dict[str, object]", asdict(definition)))


def read_definition(folder: SiteFolder, workload: str) -> JobDefinition | None:
    body = read_json(folder.job(workload))
    if body is None:
        return None
    try:
        program = parse_program(cast("dict[str, object]", body["program"]))
        return JobDefinition(workload, int(str(body["ranks"])), program)
    except (KeyError, TypeError, ValueError) as error:
        raise ActuatorFailed(f"{folder.job(workload)} is not a job ({error!r})", hint="pulumi up --refresh.") from error


def begin(folder: SiteFolder, workload: str, *, deadline_s: float) -> None:
    """Start a job that was never started here, from its newest checkpoint if it has one. ActuatorFailed.

    At a site that was fenced since its caller looked nothing is started: whoever fenced it decides.
    """

    def begun(now: Desired | None) -> Desired:
        if now is not None and now.fenced is not None:
            return now
        return _started(folder, now, workload, f"begin-{workload}", exact=False, resume_step=None)

    desired = read_desired(folder)
    if (desired is None or workload not in desired.jobs) and change(folder, begun).fenced is None:
        await_ranks(folder, workload, deadline_s=deadline_s)


def start(
    folder: SiteFolder,
    workload: str,
    *,
    token: str,
    resume_step: int | None,
    deadline_s: float,
    order: str | None = None,
) -> None:
    """Start it from exactly `resume_step`, None being nothing, unless this token's start was made.

    ActuatorFailed, also where another token's start came in between; FencedSince where a fence later than `order` did.
    """
    deadline, now = Deadline(deadline_s), read_desired(folder)
    before = _job(now, workload)
    if before is None or before.token != token:
        _make_start(folder, workload, before, token, resume_step, deadline, order)
    elif not before.running:
        (now or Desired(0)).require_admitted(order, folder.path.name, workload)
        raise ActuatorFailed(
            f"{workload} at {folder.path} was started with token {token} and stopped since",
            hint="A start that should count again needs a token of its own.",
        )
    await_ranks(folder, workload, deadline_s=deadline.left_s())


def _make_start(
    folder: SiteFolder,
    workload: str,
    before: DesiredJob | None,
    token: str,
    resume_step: int | None,
    deadline: Deadline,
    order: str | None,
) -> None:
    def made(now: Desired | None) -> bool:
        """Whether another operator has made this token's start. ActuatorFailed if one made another token's; FencedSince."""
        job = _job(now, workload)
        if job is not None and job.token == token:
            return True
        if now is not None:
            now.require_admitted(order, folder.path.name, workload)
        if job is not None and (before is None or job.generation != before.generation):
            raise ActuatorFailed(
                f"{workload} at {folder.path} was started with token {job.token} meanwhile",
                hint="Look with drstack status ENV which start should stand, then run the command again.",
            )
        return False

    def halted(now: Desired | None) -> Desired:
        if now is None:
            raise _no_job(folder, workload)
        return now if made(now) else now.stopped([workload])

    def restarted(now: Desired | None) -> Desired:
        after = _started(folder, now, workload, token, exact=True, resume_step=resume_step)
        if not made(now):
            _set_aside(folder, workload, resume_step, token)
        return after

    change(folder, halted)
    if not deadline.until(lambda: made(read_desired(folder)) or not ranks_running(folder, workload), 0.1):
        raise ActuatorFailed(f"site {folder.path}: {workload} does not stop in time for its start")
    change(folder, restarted)


def stop(folder: SiteFolder, workload: str, *, deadline_s: float, order: str | None = None) -> None:
    """Have it not wanted, and wait until no rank of it runs. ActuatorFailed. `order`: as of `Site.fence`."""
    desired = read_desired(folder)
    if desired is None:
        return
    change(folder, lambda now: (now or desired).bar(order, [workload]).stopped([workload]))
    if not Deadline(deadline_s).until(lambda: not ranks_running(folder, workload), 0.1):
        raise ActuatorFailed(f"site {folder.path}: {workload} does not stop within {deadline_s:.0f} s")


def ranks_running(folder: SiteFolder, workload: str, generation: int | None = None) -> list[int]:
    """Ranks of a workload whose processes run; with `generation`, only those of that start."""
    found: list[int] = []
    for path in folder.run.glob("slot-*.json"):
        shown = read_json(path) or {}
        child = shown.get("child")
        if (
            shown.get("workload") == workload
            and isinstance(child, int)
            and generation in (None, shown.get("generation"))
            and runs_for(folder, child)
        ):
            found.append(int(str(shown["rank"])))
    return sorted(found)


def slots_that_run(folder: SiteFolder) -> set[int]:
    """Slots whose process is there: of those that are wanted, some may not be had."""
    found: set[int] = set()
    for path in folder.run.glob("slot-*.json"):
        pid = (read_json(path) or {}).get("pid")
        if isinstance(pid, int) and runs_for(folder, pid):
            found.add(int(path.stem.removeprefix("slot-")))
    return found


def await_ranks(folder: SiteFolder, workload: str, *, deadline_s: float) -> None:
    """Until every rank of the wanted generation was launched, or has ended well. ActuatorFailed."""

    def launched() -> bool:
        job = _wanted(folder, workload)
        done = read_attempt(folder, workload, job).done
        return len({*ranks_running(folder, workload, job.generation), *done}) >= job.ranks

    if not Deadline(deadline_s).until(launched, 0.05):
        job = _wanted(folder, workload)
        why = read_attempt(folder, workload, job).failure or tail(folder.log(f"{workload}-rank0"))
        raise ActuatorFailed(
            f"site {folder.path}: {workload} did not start its {job.ranks} ranks within {deadline_s:.0f} s: {why}",
            hint=f"Read {folder.log(f'{workload}-rank0')}.",
        )


def _wanted(folder: SiteFolder, workload: str) -> DesiredJob:
    job = _job(read_desired(folder), workload)
    if job is None:
        raise ActuatorFailed(f"site {folder.path}: {workload} is not wanted any more")
    return job


def _job(desired: Desired | None, workload: str) -> DesiredJob | None:
    return None if desired is None else desired.jobs.get(workload)


def _no_job(folder: SiteFolder, workload: str) -> ActuatorFailed:
    return ActuatorFailed(
        f"site {folder.path}: {workload} has no job here", hint="drstack up ENV makes the site's pool and jobs."
    )


def _started(
    folder: SiteFolder, now: Desired | None, workload: str, token: str, *, exact: bool, resume_step: int | None
) -> Desired:
    definition = read_definition(folder, workload)
    if now is None or definition is None:
        raise _no_job(folder, workload)
    if (before := now.jobs.get(workload)) is not None and before.token == token:
        return now
    slots = now.free_slots(definition.ranks, workload, prefer=slots_that_run(folder))
    if slots is None:
        raise ActuatorFailed(
            f"site {folder.path}: {workload} wants {definition.ranks} slots; {now.slots} run, and not enough are free",
            hint="Give the site more slots first, or the job fewer ranks.",
        )
    metrics = folder.metrics(workload)
    job = DesiredJob(
        running=True,
        generation=before.generation + 1 if before else 1,
        token=token,
        exact=exact,
        resume_step=resume_step,
        ranks=definition.ranks,
        slots=slots,
        port=free_port(),
        rdzv_id=secrets.token_hex(8),
        metrics_offset=metrics.stat().st_size if metrics.exists() else 0,
        program=definition.program,
    )
    return replace(now.with_job(workload, job), fenced=None)


def _set_aside(folder: SiteFolder, workload: str, resume_step: int | None, token: str) -> None:
    definition = read_definition(folder, workload)
    if definition is None:
        return
    checkpoints = folder.checkpoints(definition.program.checkpoints)
    aside = checkpoints.with_name(f"{checkpoints.name}.superseded") / re.sub(r"[^A-Za-z0-9._-]", "_", token)
    for path in sorted(checkpoints.glob("step-*")):
        found = _CHECKPOINT.fullmatch(path.name)
        if found and (resume_step is None or int(found[1]) > resume_step):
            aside.mkdir(parents=True, exist_ok=True)
            path.rename(Path(aside, path.name))
