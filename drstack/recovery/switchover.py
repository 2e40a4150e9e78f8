"""A planned move: the work is stopped where it runs, its last checkpoint shipped, and it goes on elsewhere with no loss.

Failback is the same on the way home: the site that was lost first joins the current term, in which what it had written
beyond the recovery point is void, and gets what it lacks from the writer; only what differs is sent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from drstack.errors import ActuatorFailed, NotReady, PromotionRefused, StepFailed
from drstack.recovery import sealing
from drstack.recovery.admission import bring_up_to
from drstack.recovery.bringup import BringUp
from drstack.recovery.consents import with_broken_glass
from drstack.recovery.measure import measure
from drstack.recovery.ordered import in_order
from drstack.recovery.plan import Plan, WorkloadPlan, moving_of, require_ready, stranded
from drstack.recovery.presence import Presence
from drstack.recovery.promote import Promotion
from drstack.recovery.steps import switchover_steps
from replicator.repository.ruling import is_suspect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.facts import Facts, WorkloadFact
    from drstack.recovery.plan import Given, Need
    from drstack.recovery.ports import JobObservation
    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment
    from drstack.witness.journal import Journal
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository

Doc = dict[str, Any]
SAVE_S = 60.0
"""How long a checkpoint of the last step may be waited for, once a run has stopped and nothing new has come."""
_POLL_S = 0.2


def plan_switchover(environment: str, facts: Facts, target: str, needs: Mapping[str, Need], given: Given) -> Plan:
    """The plan that moves the work to `target` without loss. Touches nothing.

    PromotionRefused where anything that it needs is away, and a promotion is what is left; NotReady, OperationConflict.
    """
    moving = moving_of(facts, target, given)
    alone = bool(given.only)
    capacity = require_ready(facts, target, moving, needs, alone=alone)
    plans = tuple(_plan_workload(each, target, needs[each.name], facts) for each in moving)
    after = {name: need.after for name, need in needs.items()}
    return Plan(
        environment=environment, target=target, base=facts.assignment.number, workloads=plans,
        fence=tuple(sorted({each.writer for each in moving})), capacity=capacity,
        consents=with_broken_glass((), given), reason=given.reason or "", alone=alone,
        steps=switchover_steps(target, [asdict(each) for each in plans], after, alone=alone), kind="switchover",
    )  # fmt: skip


def _plan_workload(each: WorkloadFact, target: str, need: Need, facts: Facts) -> WorkloadPlan:
    _require_whole(each, target, facts)
    writers = each.repositories[each.writer]
    standing = sorted((commit for commit in writers.newest if not commit.left), key=lambda commit: commit.id)
    newest = standing[-1] if standing else None
    if newest is None:
        raise PromotionRefused(
            f"{each.name}: {each.writer}'s repository has no checkpoint yet", hint="Let it save one, then plan again."
        )
    away = tuple(name for name, fact in each.repositories.items() if not fact.reachable)
    return WorkloadPlan(
        name=each.name, writer=each.writer, term=each.term, commit=(newest.id.term, newest.id.height), step=newest.step,
        saved_at=newest.saved_at, source=target, loss_s=0.0, loss_bound_s=0.0,
        seal=tuple(name for name, fact in each.repositories.items() if fact.reachable), unreachable=away,
        ranks=need.ranks, reopen=False, acknowledge=tuple(name for name in need.acknowledge if name not in away),
        suspended=tuple(name for name in need.acknowledge if name in away), void=(),
        why="the last checkpoint that it saves as it stops", prefer_newest=True,
    )  # fmt: skip


def _require_whole(each: WorkloadFact, target: str, facts: Facts) -> None:
    """PromotionRefused, NotReady: a planned move needs what a promotion does without."""
    instead = f"If {each.writer} is lost: drstack promote ENV --to {target}"
    site = facts.sites[each.writer]
    if not site.reachable:
        raise PromotionRefused(f"{each.name}: its writer {each.writer} cannot be seen: {site.why}", hint=instead)
    if stranded(each):
        raise PromotionRefused(f"{each.name}: term {each.term} is sealed, and nobody may write it", hint=instead)
    for name in {each.writer, target, *each.acknowledge}:
        fact = each.repositories.get(name)
        if fact is None or not fact.reachable:
            why = fact.why if fact else "it has none"
            raise PromotionRefused(f"{each.name}: {name}'s repository cannot be reached: {why}", hint=instead)
        if fact.rolled_back:
            raise PromotionRefused(
                f"{name}'s repository was rolled back: {fact.rolled_back}", hint="Put back what is missing."
            )
    for name in (each.writer, target):
        if not facts.sites[name].replicator_running:
            raise NotReady(
                f"{name}'s replicator does not run: nothing would arrive", hint=f"drstack up ENV --site {name}"
            )


class Switchover(Promotion):
    """One operator's execution of a journalled switchover."""

    RESULT = "switched over"

    def __init__(self, world: World, journal: Journal) -> None:
        super().__init__(world, journal)
        self.acts |= {
            "rejoin": self._rejoin, "quiesce": self._quiesce, "ship": self._ship, "release": self._release,
        }  # fmt: skip

    def _before(self) -> Assignment:
        return self.world.witness.up_to(int(self.plan["base"]))[-1]

    def _capacity(self, step: Step) -> Doc:
        """Slots and replicator alone: replicas come once requests are assigned."""
        slots = {**self.plan, "alone": True}
        brings_up = BringUp(self.world, self.journal, slots, self._before(), self.journal.identity)
        return brings_up.have_capacity(timeout_s=step.timeout_s)

    def _rejoin(self, step: Step) -> Doc:
        current = self._before()
        repository = self.world.repositories[step.subject]
        void: list[Doc] = []
        for workload in self.plan["workloads"]:
            name = workload["name"]
            view = bring_up_to(current, name, repository)
            void += [{"workload": name, "commit": str(each.commit), "reason": each.reason} for each in view.void]
        told = f"{len(void)} checkpoints there are void" if void else "it is there already"
        return {"void": void, "detail": told}

    def _quiesce(self, step: Step) -> Doc:
        workload = self._planned(step.subject)
        site = self.world.sites[workload["writer"]]
        site.stop_job(step.subject, deadline_s=step.timeout_s, order=self.journal.identity)
        job = site.observe(deadline_s=5.0).jobs.get(step.subject)
        if job is not None and job.ranks:
            raise ActuatorFailed(f"{step.subject} still has {job.ranks} ranks at {site.name}")
        last = job.step if job else None
        return {
            **Stopped.of(job).document(),
            "detail": f"stopped after step {last}" if last is not None else "was not running",
        }

    def _ship(self, step: Step) -> Doc:
        """StepFailed where the last step was not saved, or does not arrive in time."""
        world, name = self.world, step.subject
        workload, stopped = self._planned(name), Stopped.read(self._outcome(f"quiesce {name}"))
        source, target = world.repositories[workload["writer"]], world.repositories[self.plan["target"]]
        began = world.clock()
        sending = Presence(world, [workload["writer"], self.plan["target"]], sends=True)
        newest = last_saved(world, source, name, stopped, sending)
        if newest is None or not stopped.saved(newest):
            at = newest.what.step if newest is not None else "none"
            raise StepFailed(
                f"{name} stopped after step {stopped.step} and its newest checkpoint is of step {at}: it does not save as it "
                "stops",
                hint=f"To let it go on where it was: drstack abort {self.plan['environment']} --reason '…'; "
                "docs/training.md says how a trainer saves when it is stopped.",
            )
        step_saved = newest.what.step
        if is_suspect(source, name, newest):
            raise StepFailed(
                f"{name}: its last checkpoint, of step {step_saved}, is suspect ({_why_suspect(newest)}); "
                "a move would go on from an older one",
                hint=f"replicator list --repo {source.store.url} shows it; release it, or abort and let it save again.",
            )
        while not _holds(target, name, newest, world.needs[name]):
            if world.clock() - began > step.timeout_s:
                raise StepFailed(f"{name}: its last checkpoint did not arrive at {target.name} in {step.timeout_s:g} s")
            sending.require(f"{name}: its last checkpoint did not arrive at {target.name}")
            world.sleep(_POLL_S)
        return {
            "commit": [newest.what.term, newest.what.height], "detail": f"step {step_saved} is at {target.name}",
        }  # fmt: skip

    def _seal(self, step: Step) -> Doc:
        """StepFailed where what is left once the logs are sealed is older than what was shipped."""
        planned = {**self._planned(step.subject), "loss_bound_s": None}
        row = sealing.seal(self.world, self.plan, planned, self.journal.identity)
        shipped = self._outcome(f"ship {step.subject}")["commit"]
        if row["commit"] < shipped:
            raise StepFailed(
                f"{step.subject}: {row['commit'][0]}.{row['commit'][1]} is the newest that is left, and "
                f"{shipped[0]}.{shipped[1]} was shipped",
                hint=f"drstack abort {self.plan['environment']} --reason '…' gives it back to its writer.",
            )
        return row

    def _reconcile(self, step: Step) -> Doc:
        told = [super()._reconcile(step)["detail"]]
        if self.world.reconcile is not None:
            told += [self.world.reconcile(site) for site in self.plan["fence"]]
        return {"detail": "; ".join(told)}

    def _end(self) -> Doc:
        """As of a promotion; what counts as lost time begins where the first workload was stopped, and no work is lost."""
        stopped = [
            outcome["began_at"] for step, outcome in self.journal.outcomes().items() if step.startswith("quiesce ")
        ]
        measured = measure(self.journal, {**self.plan, "failed_at": min(stopped)}, self._every_chosen())
        still = [{**each, "rpo_s": 0.0} for each in measured["workloads"]]
        return {"result": self.RESULT, "number": self._outcome("assign")["number"], **measured, "workloads": still}

    def _release(self, step: Step) -> Doc:
        slots = self.world.standby(step.subject)
        if slots is None:
            return {"capacity": None, "detail": "its size as a standby is not counted in slots"}
        site = self.world.sites[step.subject]
        in_order(
            self.world.witness,
            self.journal.identity,
            lambda at: site.set_capacity(slots, deadline_s=step.timeout_s, order=at),
        )
        return {"capacity": slots, "detail": f"{slots} slots"}


def newest_of(repository: Repository, workload: str) -> Accepted | None:
    """The newest checkpoint that stands there, suspect or not."""
    return max(repository.log(workload).view().accepted.values(), key=lambda each: each.what.id(), default=None)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a run stopped: its last step that was reported, at `at`, and the first of this start, at `first_at` (unix s)."""

    step: int | None = None
    at: float | None = None
    first_at: float | None = None

    @staticmethod
    def of(job: JobObservation | None) -> Stopped:
        return Stopped() if job is None else Stopped(job.step, job.step_at, job.first_step_at)

    @staticmethod
    def read(result: Mapping[str, Any]) -> Stopped:
        return Stopped(result["last_step"], result.get("last_step_at"), result.get("first_step_at"))

    def document(self) -> Doc:
        return {"last_step": self.step, "last_step_at": self.at, "first_step_at": self.first_at}

    def saved(self, newest: Accepted | None) -> bool:
        """Whether this is what the run saved as it stopped, or later than it: not what a start before it had reached.

        A start that went back to an older step shares the term with the one before: that one's may be of a later step.
        """
        if newest is None or self.step is None:
            return newest is not None
        what = newest.what
        if what.step < self.step or self.at is None or what.saved_at >= self.at:
            return what.step >= self.step
        return what.step == self.step and (self.first_at is None or what.saved_at >= self.first_at)


def last_saved(
    world: World, repository: Repository, workload: str, stopped: Stopped, sending: Presence | None = None
) -> Accepted | None:
    """The newest checkpoint there, once it is what the run saved as it stopped, or none of it came for a while.

    StepFailed where a site that `sending` watches went away.
    """
    newest, since = newest_of(repository, workload), world.clock()
    while stopped.step is not None and not stopped.saved(newest):
        if world.clock() - since > SAVE_S:
            break
        if sending is not None:
            sending.require(f"{workload}: the checkpoint of its last step did not come")
        world.sleep(_POLL_S)
        seen = newest_of(repository, workload)
        if seen is not None and (newest is None or seen.what.id() != newest.what.id()):
            newest, since = seen, world.clock()
    return newest


def _why_suspect(found: Accepted) -> str:
    return "; ".join(f"{each.reason}: {each.evidence}" for each in found.what.findings) or "a person said so"


def _holds(repository: Repository, workload: str, wanted: Accepted, need: Need) -> bool:
    """Whether it has the same checkpoint, with every receipt that is demanded."""
    found = repository.log(workload).view().accepted.get(wanted.what.id())
    if found is None or found.what.root != wanted.what.root:
        return False
    levels = repository.receipts.levels(workload, found.slot, need.demanded)
    return all(levels[level] for level in need.demanded)
