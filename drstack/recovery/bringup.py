"""After the decision: restore, turn the actuators, start, and see the work make steps past its recovery point.

Nothing is deleted: what lies in the way of a restore is moved into a quarantine folder of this operation, because a
trainer picks the newest checkpoint that it finds, and an old tail must not be that.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from drstack.errors import StepFailed
from replicator.errors import DataCorrupt, DestinationOccupied, RepositoryUnknown, StoreError
from replicator.model import CommitId
from replicator.repository.restore import restore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drstack.recovery.ports import JobObservation
    from drstack.recovery.world import World
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository

Doc = dict[str, Any]
START_S = 120.0
PROVE_S = 60.0
PROVE_STEPS = 3
_POLL_S = 0.05


def restore_all(world: World, plan: Doc, operation: str) -> Doc:
    """Restore every workload's recovery point to where its trainer looks, walking down a ladder where one is damaged.

    The ladder: the planned checkpoint from each repository that has it, then older ones, as far as the loss that was
    agreed to allows. StepFailed when it ends.
    """
    restored = [_restore_one(world, plan, workload, operation) for workload in plan["workloads"]]
    total = sum(row["size_bytes"] for row in restored)
    fell = [f"{r['workload']} fell back to step {r['step']}: {r['passed_over']}" for r in restored if r["passed_over"]]
    detail = "; ".join([f"{total:,} bytes, every digest checked", *fell])
    return {"restored": restored, "detail": detail}


def _restore_one(world: World, plan: Doc, workload: Doc, operation: str) -> Doc:
    name = workload["name"]
    folder = world.sites[plan["target"]].checkpoints(name)
    passed_over: list[str] = []
    for repository, accepted in ladder(world, workload):
        destination = folder / accepted.what.name
        clear_the_way(folder, destination, operation, older_than=plan["began_at"])
        try:
            done = restore(repository, accepted, destination)
        except DestinationOccupied:
            clear_the_way(folder, folder, operation, older_than=plan["began_at"])
            done = restore(repository, accepted, destination)
        except DataCorrupt as error:
            passed_over.append(f"step {accepted.what.step} in {repository.name}: {error}")
            continue
        what = accepted.what
        return {
            "workload": name, "size_bytes": done.size_bytes, "files": done.files, "step": what.step,
            "commit": [what.term, what.height], "source": repository.name, "passed_over": passed_over,
        }  # fmt: skip
    raise StepFailed(
        f"{name}: no checkpoint within the agreed loss could be restored whole: {'; '.join(passed_over)}",
        hint="Repair a repository from its peer, then run the same command again.",
    )


def ladder(world: World, workload: Doc) -> list[tuple[Repository, Accepted]]:
    """What may be restored for a planned workload, best first: newest first, and the planned source before others."""
    planned = CommitId(*workload["commit"])
    bound_s = workload["loss_bound_s"]
    oldest_s = -math.inf if bound_s is None else workload["saved_at"] + workload["loss_s"] - bound_s
    rungs: list[tuple[Repository, Accepted]] = []
    for name in [workload["source"], *(n for n in sorted(world.repositories) if n != workload["source"])]:
        repository = world.repositories[name]
        try:
            accepted = repository.log(workload["name"]).view().accepted
        except (StoreError, RepositoryUnknown):
            continue
        for commit, found in accepted.items():
            within = commit == planned or (commit < planned and found.what.saved_at >= oldest_s)
            if within and not found.what.suspect:
                rungs.append((repository, found))
    return sorted(rungs, key=lambda rung: rung[1].what.id(), reverse=True)


def clear_the_way(folder: Path, keep: Path, operation: str, *, older_than: float) -> None:
    """Move everything but `keep` out of a trainer's checkpoint folder into a quarantine beside it.

    Only what was there before the operation began (unix seconds): another operator of the same operation may be ahead
    of this one, and the run that it started saves into this folder already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    quarantine = folder.parent / f"{folder.name}.quarantine" / operation
    for found in sorted(folder.iterdir()):
        try:
            ours = found.stat().st_mtime >= older_than
        except FileNotFoundError:
            continue
        if found == keep or ours or found.name.endswith(".restoring"):
            continue
        quarantine.mkdir(parents=True, exist_ok=True)
        target = quarantine / found.name
        if target.exists():
            target = quarantine / f"{found.name}.{found.stat().st_mtime_ns}"
        try:
            found.rename(target)
        except FileNotFoundError:
            continue


def actuate(world: World, plan: Doc) -> Doc:
    """Bring the target to full capacity. ActuatorFailed."""
    site = world.sites[plan["target"]]
    site.set_capacity(int(plan["capacity"]), deadline_s=START_S)
    seen = site.observe(deadline_s=5.0)
    if not seen.replicator_running:
        raise StepFailed(
            f"{site.name} has its capacity but no replicator: what it trains would not be protected",
            hint=f"drstack up {plan['environment']} --site {site.name} --refresh, then run the same command again.",
        )
    return {"capacity": plan["capacity"], "detail": f"{plan['capacity']} slots at {plan['target']}"}


def start(world: World, plan: Doc, restored: list[Doc], operation: str) -> Doc:
    """Start every workload and wait for its first step. `at` is when the last of them made it. StepFailed."""
    site = world.sites[plan["target"]]
    for row in restored:
        site.start_job(row["workload"], token=operation, resume_step=row["step"], deadline_s=START_S)
    firsts: list[Doc] = []
    for row in restored:
        name = row["workload"]
        job = _await(world, plan, name, _has_begun, START_S, "a first step")
        if job.resumed_step != row["step"]:
            raise StepFailed(
                f"{name} resumed from step {job.resumed_step}, not from {row['step']}",
                hint="Look at the trainer's log; it must resume what was restored.",
            )
        firsts.append({"workload": name, "step": job.first_step, "at": job.first_step_at, "resumed": job.resumed_step})
    at = max(row["at"] for row in firsts)
    return {"firsts": firsts, "at": at, "detail": ", ".join(f"{r['workload']} at step {r['step']}" for r in firsts)}


def prove(world: World, plan: Doc, started: Doc) -> Doc:
    """See every workload make steps past its recovery point. StepFailed."""
    seen: list[Doc] = []
    for workload, first in zip(plan["workloads"], started["firsts"], strict=True):
        goal = int(first["step"]) + PROVE_STEPS
        job = _await(world, plan, workload["name"], partial(_has_reached, goal), PROVE_S, f"step {goal}")
        seen.append({"workload": workload["name"], "step": job.step})
    return {"seen": seen, "detail": ", ".join(f"{row['workload']} reached step {row['step']}" for row in seen)}


def _has_begun(job: JobObservation) -> bool:
    return job.first_step_at is not None


def _has_reached(goal: int, job: JobObservation) -> bool:
    return (job.step or 0) >= goal


def _await(
    world: World, plan: Doc, workload: str, done: Callable[[JobObservation], bool], within_s: float, what: str
) -> JobObservation:
    site = world.sites[plan["target"]]
    ends = world.clock() + within_s
    while True:
        observation = site.observe(deadline_s=5.0)
        job = observation.jobs.get(workload)
        if job is not None and done(job):
            return job
        if world.clock() > ends:
            why = f": {job.failure}" if job is not None and job.failure else ""
            raise StepFailed(f"{workload} did not reach {what} at {site.name} within {within_s:g} s{why}")
        world.sleep(_POLL_S)
