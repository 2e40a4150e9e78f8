"""After the decision: pin, restore, turn the actuators, start, and see the work make steps past its recovery point.

Nothing is deleted: what lies in the way of a restore is moved into a quarantine folder of this operation, because a
trainer picks the newest checkpoint that it finds, and an old tail must not be that. Once a start was asked for, nothing
is moved any more: the run saves into that folder.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from drstack.errors import ActuatorFailed, OperationConflict, StepFailed
from drstack.recovery.hearing import repository_fact
from drstack.recovery.ordered import in_order
from drstack.recovery.pins import pin_name
from drstack.recovery.presence import Presence, mending
from drstack.recovery.timekeeping import moment_here
from drstack.recovery.traffic import Traffic
from drstack.witness.assignment import lineage_of
from replicator.errors import DestinationOccupied, ReplicatorError
from replicator.log.covering import uncovered
from replicator.model import CommitId
from replicator.repository.pinning import as_it_is_now
from replicator.repository.restore import restore
from replicator.repository.ruling import ruling
from replicator.versions.brief import brief

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from drstack.recovery.ports import JobObservation, Site
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment
    from drstack.witness.journal import Journal
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository
    from replicator.repository.restore import Restored

Doc = dict[str, Any]
Rung = tuple["Repository", "Accepted"]
PROVE_STEPS = 3
STOP_S = 120.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class BringUp:
    """The later steps of one operation. A workload is one of the plan, with what was chosen once the logs were sealed."""

    world: World
    journal: Journal
    plan: Doc
    assignment: Assignment
    order: str | None
    """When the site was told to act, as of `Site`; None without the witness: its last fence may be known there alone."""
    restoring: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Held while a checkpoint's bytes are brought back."""

    @property
    def _site(self) -> Site:
        return self.world.sites[self.plan["target"]]

    def _traffic(self) -> Traffic:
        """By the newest assignment: one that was made since, by whoever declared something, has these shares too."""
        return Traffic(self.world, self.world.witness.current() or self.assignment)

    def pin(self, workload: Doc) -> Doc:
        """Pin what will be restored, before any of its packs is read (DESIGN, rule 6). StepFailed."""
        trouble: list[str] = []
        for repository, accepted in self._ladder(workload):
            try:
                self._pin(workload["name"], repository, accepted)
            except ReplicatorError as error:
                trouble.append(f"{accepted.what.id()} in {repository.name}: {error}")
                continue
            commit = accepted.what.id()
            return {
                "repository": repository.name, "commit": [commit.term, commit.height],
                "detail": f"{commit} in {repository.name}",
            }  # fmt: skip
        trouble = trouble or self._nothing_there(workload)
        raise StepFailed(f"{workload['name']}: nothing within the agreed loss can be pinned: {'; '.join(trouble)}")

    def _pin(self, workload: str, repository: Repository, accepted: Accepted) -> None:
        commit = accepted.what.id()
        term = self.assignment.workloads[workload].term
        repository.log(workload).pin(
            pin_name(self.journal, commit), commit, reason=f"promotion to {self.plan['target']}", term=term
        )

    def make_way(self, workload: Doc) -> str | None:
        """Before the target may write: its replicator would take what an earlier stay left there for the new run's own.

        Returns why it could not be done, which is left to `restore`: where nobody may write, that is worse.
        """
        name, folder = workload["name"], self._site.checkpoints(workload["name"])
        if self._start_asked(name):
            return None
        chosen = CommitId(*workload["commit"])
        found = self.world.repositories[workload["source"]].log(name).view().accepted.get(chosen)
        try:
            self._site.stop_job(name, deadline_s=STOP_S)
            self._clear_the_way(name, folder, keep=None if found is None else folder / found.what.name)
        except (ActuatorFailed, OSError) as error:
            return f"{self._site.name}: {folder} is not cleared yet: {error}"
        return None

    def restore(self, workload: Doc) -> Doc:
        """Restore the recovery point to where the trainer looks, walking down a ladder.

        The ladder: the chosen checkpoint from each repository that has it, then older ones, as far as the loss that was
        agreed to allows. StepFailed when it ends.
        """
        name, folder = workload["name"], self._site.checkpoints(workload["name"])
        if not self._start_asked(name):
            self._site.stop_job(name, deadline_s=STOP_S)
        passed_over: list[str] = []
        for repository, accepted in self._ladder(workload):
            what = accepted.what
            try:
                self._pin(name, repository, accepted)
                done = self._bring_back(name, repository, as_it_is_now(repository, name, accepted), folder)
            except DestinationOccupied:
                raise
            except ReplicatorError as error:
                passed_over.append(f"step {what.step} in {repository.name}: {error}")
                continue
            told = [
                f"step {what.step} of {repository.name}: {done.size_bytes:,} bytes, every digest checked",
                *passed_over,
            ]
            return {
                "size_bytes": done.size_bytes, "files": done.files, "step": what.step, "saved_at": what.saved_at,
                "commit": [what.term, what.height], "source": repository.name, "passed_over": passed_over,
                "made_with": brief(what.versions) if what.versions else None, "detail": "; ".join(told),
            }  # fmt: skip
        passed_over = passed_over or self._nothing_there(workload)
        raise StepFailed(
            f"{name}: no checkpoint within the agreed loss could be restored whole: {'; '.join(passed_over)}",
            hint="Repair a repository from its peer, then run the same command again.",
        )

    def _bring_back(self, workload: str, repository: Repository, accepted: Accepted, folder: Path) -> Restored:
        destination = folder / accepted.what.name
        self._clear_the_way(workload, folder, keep=destination)
        try:
            with self.restoring:
                return restore(repository, accepted, destination)
        except DestinationOccupied:
            self._clear_the_way(workload, folder, keep=None)
            with self.restoring:
                return restore(repository, accepted, destination)

    def _clear_the_way(self, workload: str, folder: Path, *, keep: Path | None) -> None:
        """Move everything but `keep` out of a trainer's checkpoint folder into a quarantine beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        quarantine = folder.parent / f"{folder.name}.quarantine" / self.journal.identity
        for found in sorted(folder.iterdir()):
            if found == keep or found.name.endswith(".restoring"):
                continue
            if self._start_asked(workload):
                return
            quarantine.mkdir(parents=True, exist_ok=True)
            target = quarantine / found.name
            n = 0
            while target.exists():
                n += 1
                target = quarantine / f"{found.name}.{n}"
            try:
                found.rename(target)
            except FileNotFoundError:
                continue

    def _start_asked(self, workload: str) -> bool:
        step = f"start {workload}"
        return any(record.kind == "intent" and record.body["step"] == step for record in self.journal.records())

    def _nothing_there(self, workload: Doc) -> list[str]:
        """Per repository, why it has no rung of the ladder."""
        name, chosen = workload["name"], CommitId(*workload["commit"])
        facts = [
            repository_fact(repository, name, (), self.assignment) for repository in self.world.repositories.values()
        ]
        return [
            f"{each.name}: {each.why or each.rolled_back or f'neither {chosen} nor an older one stands there'}"
            for each in facts
        ]

    def _ladder(self, workload: Doc) -> list[Rung]:
        """What may be restored, best first: newest first, and the chosen source before other repositories.

        What any repository's prover found to be another than was saved is passed over, unless it was chosen.
        """
        chosen, bound_s = CommitId(*workload["commit"]), workload["loss_bound_s"]
        failed_at = self.plan.get("failed_at") or self.plan["facts_at"]
        oldest = -math.inf if bound_s is None else failed_at - bound_s
        opening = self.assignment.opening(workload["name"])
        behind = lineage_of(self.world.witness.up_to(self.assignment.number), workload["name"])
        names = [workload["source"], *(n for n in sorted(self.world.repositories) if n != workload["source"])]
        judge = partial(self._judged, workload["name"], chosen=chosen, oldest=oldest)
        rungs: list[Rung] = []
        failed: set[tuple[CommitId, str]] = set()
        for judged in self.world.beside([partial(judge, self.world.repositories[name]) for name in names]):
            for repository, found, counts, bad in judged:
                commit = found.what.id()
                if bad:
                    failed.add((commit, found.what.root))
                stands = uncovered(opening, found.what) is None and not behind.left(commit)
                if stands and (commit == chosen or counts):
                    rungs.append((repository, found))
        sound = [rung for rung in rungs if (rung[1].what.id(), rung[1].what.root) not in failed]
        return sorted(sound, key=lambda rung: rung[1].what.id(), reverse=True)

    def _judged(
        self, workload: str, repository: Repository, *, chosen: CommitId, oldest: float
    ) -> list[tuple[Repository, Accepted, bool, bool]]:
        """The chosen checkpoint and those older than it, as this repository knows them: whether each counts, and is bad."""
        if repository_fact(repository, workload, (), self.assignment, beside=self.world.beside).why is not None:
            return []
        accepted = repository.log(workload).view().accepted
        found = [
            each
            for commit, each in accepted.items()
            if commit == chosen or (commit < chosen and each.what.saved_at >= oldest)
        ]
        words = self.world.beside([partial(_words, repository, workload, each, chosen=chosen) for each in found])
        return [(repository, each, counts, bad) for each, (counts, bad) in zip(found, words, strict=True)]

    def move_requests(self) -> Doc:
        """Move the requests that can be moved without waiting; `answer` moves the rest. Never raises."""
        moved = self._traffic().move_now()
        told = [f"{name} moved" for name in moved["moved"]]
        told += [f"{name} not yet: {why}" for name, why in moved["left"].items()]
        return {"traffic": moved, "detail": "; ".join(told)}

    def have_capacity(self, *, timeout_s: float) -> Doc:
        """Bring the target to full capacity, with its replicator, and have its replicas begin. ActuatorFailed, StepFailed."""
        site, slots = self._site, int(self.plan["capacity"])
        self._require_standing()
        refused = self._turn(slots, timeout_s)
        seen = site.observe(deadline_s=5.0)
        if not seen.replicator_running:
            raise StepFailed(
                f"{site.name} has its capacity but no replicator: what it trains would not be protected",
                hint=mending(self.plan["environment"], site.name),
            )
        have = slots if refused is None else seen.capacity
        told = [
            f"{slots} slots" if refused is None else f"{have} of {slots} slots, which is enough; the rest: {refused}"
        ]
        if not self.plan["alone"]:
            try:
                self._traffic().have_replicas(site.name)
            except ActuatorFailed as error:
                told.append(f"replicas not yet: {error}")
        return {"capacity": have, "asked": slots, "detail": "; ".join(told)}

    def _turn(self, slots: int, timeout_s: float) -> str | None:
        """Ask for all; why some were refused, where what is held is enough for the work. ActuatorFailed."""
        try:
            self._in_order(lambda at: self._site.set_capacity(slots, deadline_s=timeout_s, order=at))
        except ActuatorFailed as error:
            seen = self._site.observe(deadline_s=5.0)
            moving = {each["name"]: int(each["ranks"]) for each in self.plan["workloads"]}
            there = sum(job.ranks for name, job in seen.jobs.items() if name not in moving)
            if not seen.reachable or seen.capacity < sum(moving.values()) + there:
                raise
            return str(error)
        return None

    def start(self, name: str, resume_step: int, *, timeout_s: float) -> Doc:
        """Start it and wait for its first step. `at` is when it made it. ActuatorFailed, StepFailed.

        Capacity that was had before is had again where the site went down meanwhile.
        """
        self._require_standing()
        self._keep_capacity(name, timeout_s)
        token = self.journal.identity
        self._in_order(
            lambda at: self._site.start_job(name, token=token, resume_step=resume_step, deadline_s=timeout_s, order=at)
        )
        job, clock = self._await(name, _has_begun, timeout_s, "a first step")
        if job.resumed_step != resume_step:
            raise StepFailed(
                f"{name} resumed from step {job.resumed_step}, not from {resume_step}",
                hint="Look at the trainer's log; it must resume what was restored.",
            )
        now = self.world.clock()
        at = moment_here(job.first_step_at or now, clock, now)
        return {"first_step": job.first_step, "at": at, "detail": f"at step {job.first_step}"}

    def prove(self, name: str, first_step: int, *, timeout_s: float) -> Doc:
        """See it make steps past its recovery point, or end well before it could. StepFailed."""
        goal = first_step + PROVE_STEPS
        job, _ = self._await(name, partial(_has_reached, goal), timeout_s, f"step {goal}")
        return {"step_reached": job.step, "ended": not job.running, "detail": f"reached step {job.step}"}

    def answer(self) -> Doc:
        """Have requests answered where they are assigned. StepFailed."""
        traffic = self._traffic()
        if traffic.wanted():
            traffic.have_replicas(self._site.name)
        serving = traffic.settle()
        told = [f"{name} by {', '.join(s for s, w in each.items() if w)}" for name, each in serving.items()]
        return {"serving": serving, "detail": "; ".join(told)}

    def _in_order(self, act: Callable[[str | None], None]) -> None:
        in_order(self.world.witness, self.order, act)

    def _require_standing(self) -> None:
        """OperationConflict where somebody has ended the operation: a site that it would turn may be another's by now."""
        ended = self.journal.ended()
        if ended is not None:
            raise OperationConflict(
                f"operation {self.journal.identity} has ended: {ended['result']} ({ended.get('why', '')})"
            )

    def _keep_capacity(self, name: str, timeout_s: float) -> None:
        outcome = self.journal.outcome(f"capacity {self._site.name}") or {}
        slots = int(outcome.get("result", {}).get("capacity", 0))
        seen = self._site.observe(deadline_s=5.0)
        if not seen.reachable:
            raise StepFailed(
                f"{name} was not started: {self._site.name} went away: {seen.why}",
                hint=mending(self.plan["environment"], self._site.name),
            )
        if seen.capacity < slots:
            self._turn(int(self.plan["capacity"]), timeout_s)

    def _await(
        self, workload: str, done: Callable[[JobObservation], bool], within_s: float, what: str
    ) -> tuple[JobObservation, float | None]:
        """The run once it is so, and its site's clock then."""
        clock, site = self.world.clock, self._site.name
        ends, presence = clock() + within_s, Presence(self.world, [site])
        while True:
            seen = self._site.observe(deadline_s=5.0)
            job = seen.jobs.get(workload)
            if job is not None and done(job):
                return job, seen.clock
            presence.heard(f"{workload} did not reach {what}", seen)
            if clock() > ends:
                why = f": {job.failure}" if job is not None and job.failure else ""
                raise StepFailed(f"{workload} did not reach {what} at {site} within {within_s:g} s{why}")
            self.world.sleep(_POLL_S)


def _words(repository: Repository, workload: str, found: Accepted, *, chosen: CommitId) -> tuple[bool, bool]:
    """Whether a checkpoint counts by what people and admission say of it, and whether it is known to be bad."""
    said = ruling(repository, workload, found)
    counts = not found.what.suspect if said is None else said.released
    condemned = said is not None and not said.released
    return counts, condemned or (found.what.id() < chosen and _refuted(repository, found))


def _refuted(repository: Repository, found: Accepted) -> bool:
    word = repository.receipts.verdict(found.what.workload, found.slot, "proved")
    return word is not None and not word.ok


def _has_begun(job: JobObservation) -> bool:
    return job.first_step_at is not None


def _has_reached(goal: int, job: JobObservation) -> bool:
    ended_well = not job.running and job.failure is None and job.step is not None
    return (job.step or 0) >= goal or ended_well
