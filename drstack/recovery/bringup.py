"""After the decision: pin, restore, turn the actuators, start, and see the work make steps past its recovery point.

Nothing is deleted: what lies in the way of a restore is moved into a quarantine folder of this operation, because a
trainer picks the newest checkpoint that it finds, and an old tail must not be that. Once a start was asked for, nothing
is moved any more: the run saves into that folder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from drstack.errors import ActuatorFailed, StepFailed
from drstack.recovery.facts import repository_fact
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
START_S = 120.0
PROVE_S = 60.0
PROVE_STEPS = 3
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class BringUp:
    """The later phases of one operation. `workloads`: the plan's, with what was chosen once the logs were sealed."""

    world: World
    journal: Journal
    plan: Doc
    workloads: list[Doc]
    assignment: Assignment

    @property
    def _site(self) -> Site:
        return self.world.sites[self.plan["target"]]

    @property
    def _moving(self) -> list[Doc]:
        """Those that start here; one that was only opened anew at its own writer goes on running."""
        return [each for each in self.workloads if not each["reopen"]]

    def _traffic(self) -> Traffic:
        """By the newest assignment: one that was made since, by whoever declared something, has these shares too."""
        return Traffic(self.world, self.world.witness.current() or self.assignment)

    def pin(self) -> Doc:
        """Pin what will be restored, before any of its packs is read (DESIGN, rule 6). StepFailed."""
        pins = [self._pin_best(workload) for workload in self._moving]
        return {
            "pins": pins,
            "detail": ", ".join(f"{p['commit'][0]}.{p['commit'][1]} in {p['repository']}" for p in pins),
        }

    def _pin_best(self, workload: Doc) -> Doc:
        trouble: list[str] = []
        for repository, accepted in self._ladder(workload):
            try:
                self._pin(workload["name"], repository, accepted)
            except ReplicatorError as error:
                trouble.append(f"{accepted.what.id()} in {repository.name}: {error}")
                continue
            commit = accepted.what.id()
            return {"workload": workload["name"], "repository": repository.name, "commit": [commit.term, commit.height]}
        raise StepFailed(f"{workload['name']}: nothing within the agreed loss can be pinned: {'; '.join(trouble)}")

    def _pin(self, workload: str, repository: Repository, accepted: Accepted) -> None:
        commit = accepted.what.id()
        term = self.assignment.workloads[workload].term
        name = f"promotion-{self.journal.identity}-{commit}"
        repository.log(workload).pin(name, commit, reason=f"promotion to {self.plan['target']}", term=term)

    def unpin(self) -> list[str]:
        """Let go of this operation's pins. Returns why some stay, where a repository cannot be written."""
        kept: list[str] = []
        for workload in self._moving:
            for repository in self.world.repositories.values():
                try:
                    log = repository.log(workload["name"])
                    view = log.view()
                    for name in [n for n in view.pins if n.startswith(f"promotion-{self.journal.identity}-")]:
                        log.unpin(name, term=view.term)
                except ReplicatorError as error:
                    kept.append(f"pins stay in {repository.name}: {error}")
        return kept

    def restore(self) -> Doc:
        """Restore every workload's recovery point to where its trainer looks, walking down a ladder.

        The ladder: the chosen checkpoint from each repository that has it, then older ones, as far as the loss that was
        agreed to allows. StepFailed when it ends.
        """
        restored = [self._restore_one(workload) for workload in self._moving]
        total = sum(row["size_bytes"] for row in restored)
        fell = [
            f"{r['workload']} took step {r['step']}: {'; '.join(r['passed_over'])}"
            for r in restored
            if r["passed_over"]
        ]
        return {"restored": restored, "detail": "; ".join([f"{total:,} bytes, every digest checked", *fell])}

    def _restore_one(self, workload: Doc) -> Doc:
        name, folder = workload["name"], self._site.checkpoints(workload["name"])
        if not self._start_asked():
            self._site.stop_job(name, deadline_s=START_S)
        passed_over: list[str] = []
        for repository, accepted in self._ladder(workload):
            what = accepted.what
            try:
                self._pin(name, repository, accepted)
                done = self._bring_back(repository, as_it_is_now(repository, name, accepted), folder)
            except DestinationOccupied:
                raise
            except ReplicatorError as error:
                passed_over.append(f"step {what.step} in {repository.name}: {error}")
                continue
            return {
                "workload": name, "size_bytes": done.size_bytes, "files": done.files, "step": what.step,
                "saved_at": what.saved_at, "commit": [what.term, what.height], "source": repository.name,
                "passed_over": passed_over, "made_with": brief(what.versions) if what.versions else None,
            }  # fmt: skip
        raise StepFailed(
            f"{name}: no checkpoint within the agreed loss could be restored whole: {'; '.join(passed_over)}",
            hint="Repair a repository from its peer, then run the same command again.",
        )

    def _bring_back(self, repository: Repository, accepted: Accepted, folder: Path) -> Restored:
        destination = folder / accepted.what.name
        self._clear_the_way(folder, keep=destination)
        try:
            return restore(repository, accepted, destination)
        except DestinationOccupied:
            self._clear_the_way(folder, keep=None)
            return restore(repository, accepted, destination)

    def _clear_the_way(self, folder: Path, *, keep: Path | None) -> None:
        """Move everything but `keep` out of a trainer's checkpoint folder into a quarantine beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        quarantine = folder.parent / f"{folder.name}.quarantine" / self.journal.identity
        for found in sorted(folder.iterdir()):
            if found == keep or found.name.endswith(".restoring"):
                continue
            if self._start_asked():
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

    def _start_asked(self) -> bool:
        return any(r.kind == "intent" and r.body["step"] == "start" for r in self.journal.records())

    def _ladder(self, workload: Doc) -> list[Rung]:
        """What may be restored, best first: newest first, and the chosen source before other repositories.

        What any repository's prover found to be another than was saved is passed over, unless it was chosen.
        """
        chosen, bound_s = CommitId(*workload["commit"]), workload["loss_bound_s"]
        failed_at = self.plan.get("failed_at") or self.plan["facts_at"]
        oldest = -math.inf if bound_s is None else failed_at - bound_s
        opening = self.assignment.opening(workload["name"])
        behind = lineage_of(self.world.witness.assignments()[: self.assignment.number], workload["name"])
        rungs: list[Rung] = []
        failed: set[tuple[CommitId, str]] = set()
        for name in [workload["source"], *(n for n in sorted(self.world.repositories) if n != workload["source"])]:
            repository = self.world.repositories[name]
            if repository_fact(repository, workload["name"], (), self.assignment).why is not None:
                continue
            for commit, found in repository.log(workload["name"]).view().accepted.items():
                older = commit < chosen and found.what.saved_at >= oldest
                if commit != chosen and not older:
                    continue
                said = ruling(repository, workload["name"], found)
                counts = not found.what.suspect if said is None else said.released
                if (older and _refuted(repository, found)) or (said is not None and not said.released):
                    failed.add((commit, found.what.root))
                stands = uncovered(opening, found.what) is None and not behind.left(commit)
                if stands and (commit == chosen or counts):
                    rungs.append((repository, found))
        sound = [rung for rung in rungs if (rung[1].what.id(), rung[1].what.root) not in failed]
        return sorted(sound, key=lambda rung: rung[1].what.id(), reverse=True)

    def actuate(self) -> Doc:
        """Move the requests, and bring the target to full capacity. ActuatorFailed, StepFailed.

        Requests go first where a replica is ready for them, and never keep the training waiting: what cannot be moved
        yet is moved in `prove`.
        """
        site, slots, traffic = self._site, int(self.plan["capacity"]), self._traffic()
        moved = traffic.move_now()
        site.set_capacity(slots, deadline_s=START_S)
        if not site.observe(deadline_s=5.0).replicator_running:
            raise StepFailed(
                f"{site.name} has its capacity but no replicator: what it trains would not be protected",
                hint=f"drstack up {self.plan['environment']} --site {site.name} --refresh, then run the same command again.",
            )
        try:
            traffic.have_replicas(site.name)
        except ActuatorFailed as error:
            moved["left"][site.name] = str(error)
        told = [f"{slots} slots at {site.name}", *(f"requests for {name} moved" for name in moved["moved"])]
        told += [f"{name} not yet: {why}" for name, why in moved["left"].items()]
        return {"capacity": slots, "traffic": moved, "detail": "; ".join(told)}

    def start(self, restored: list[Doc]) -> Doc:
        """Start every workload and wait for its first step. `at` is when the last of them made it. StepFailed."""
        for row in restored:
            self._site.start_job(
                row["workload"], token=self.journal.identity, resume_step=row["step"], deadline_s=START_S
            )
        firsts: list[Doc] = []
        for row in restored:
            name = row["workload"]
            job = self._await(name, _has_begun, START_S, "a first step")
            if job.resumed_step != row["step"]:
                raise StepFailed(
                    f"{name} resumed from step {job.resumed_step}, not from {row['step']}",
                    hint="Look at the trainer's log; it must resume what was restored.",
                )
            firsts.append({"workload": name, "step": job.first_step, "at": job.first_step_at})
        at = max((row["at"] for row in firsts), default=self.world.clock())
        return {"firsts": firsts, "at": at, "detail": ", ".join(f"{r['workload']} at step {r['step']}" for r in firsts)}

    def prove(self, firsts: list[Doc]) -> Doc:
        """See every workload make steps past its recovery point, or end well before it could, and requests answered.

        StepFailed.
        """
        seen: list[Doc] = []
        for first in firsts:
            goal = int(first["step"]) + PROVE_STEPS
            job = self._await(first["workload"], partial(_has_reached, goal), PROVE_S, f"step {goal}")
            seen.append({"workload": first["workload"], "step": job.step, "ended": not job.running})
        traffic = self._traffic()
        if traffic.wanted():
            traffic.have_replicas(self._site.name)
        serving = traffic.settle()
        told = [f"{row['workload']} reached step {row['step']}" for row in seen]
        told += [
            f"{name} is answered by {', '.join(s for s, w in each.items() if w)}" for name, each in serving.items()
        ]
        return {"seen": seen, "serving": serving, "detail": ", ".join(told)}

    def _await(
        self, workload: str, done: Callable[[JobObservation], bool], within_s: float, what: str
    ) -> JobObservation:
        ends = self.world.clock() + within_s
        while True:
            job = self._site.observe(deadline_s=5.0).jobs.get(workload)
            if job is not None and done(job):
                return job
            if self.world.clock() > ends:
                why = f": {job.failure}" if job is not None and job.failure else ""
                raise StepFailed(f"{workload} did not reach {what} at {self._site.name} within {within_s:g} s{why}")
            self.world.sleep(_POLL_S)


def _refuted(repository: Repository, found: Accepted) -> bool:
    word = repository.receipts.verdict(found.what.workload, found.slot, "proved")
    return word is not None and not word.ok


def _has_begun(job: JobObservation) -> bool:
    return job.first_step_at is not None


def _has_reached(goal: int, job: JobObservation) -> bool:
    ended_well = not job.running and job.failure is None and job.step is not None
    return (job.step or 0) >= goal or ended_well
