"""What a promotion will do, decided from facts alone: refuse with a reason, or a plan with its consents and its hash.

Nothing here touches anything. The plan's hash covers what an operator agrees to: from, to, term, recovery point, loss
bound, steps and consents; not the time at which it was made, nor what clocks, journals and processes say of it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from drstack.errors import ConsentRequired, EnvironmentUnknown, NotReady, OperationConflict, PromotionRefused
from drstack.recovery.consents import agrees_to_any_loss, skipped_fences, to_losses, with_broken_glass
from drstack.recovery.contest import contested
from drstack.recovery.points import Wish, choose, refuted
from drstack.recovery.steps import promotion_steps
from drstack.recovery.stillness import still_since
from drstack.recovery.unwitnessed import consent_to
from drstack.spec.quantities import format_duration
from replicator.log.records import canonical, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.errors import DrstackError
    from drstack.recovery.facts import CommitFact, Facts, RepositoryFact, WorkloadFact
    from drstack.recovery.steps import Step
    from replicator.model import Level

PHASES = (
    "detect", "facts", "plan", "quiesce", "ship", "fence", "seal", "assign", "pin", "restore", "actuate", "lease", "start",
    "prove", "reconcile",
)  # fmt: skip
PHASE_OF = {
    "capacity": "actuate", "requests": "actuate", "answers": "prove", "rejoin": "quiesce", "release": "reconcile",
}  # fmt: skip
"""The phase that an act is counted in, where it is not the one of its name."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one workload needs of the target, from the environment file."""

    rpo_s: float
    rto_s: float
    demanded: tuple[Level, ...]
    ranks: int
    acknowledge: tuple[str, ...] = ()
    """Sites whose repositories confirm each checkpoint while the target writes."""
    after: tuple[str, ...] = ()
    """Workloads that have to run before this one is started."""
    leased: bool = False
    """Whether its writer runs it under a lease."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the operator allows. `data_loss_s`: seconds; infinity for a loss that nobody can bound."""

    by: str
    reason: str | None = None
    data_loss_s: float | None = None
    abandon: str | None = None
    """An unfinished operation that shall not be finished."""
    failed_at: float | None = None
    """When the writer died, if that is known (unix seconds)."""
    newest: bool = False
    """Take the newest recovery point, though an older one is proved."""
    failed_proof: bool = False
    """Take a checkpoint whose proof failed, if it is the newest."""
    reopen: Literal["keys", "abort"] | None = None
    """Open a new term of what the target writes, and move nothing: for other keys, or after an abort."""
    unfenced: tuple[str, ...] = ()
    """Own steps that may promote a database without proof that no other takes writes."""
    only: tuple[str, ...] = ()
    """Move these workloads alone, and leave everything else where it is; empty: all."""
    skip_fence: tuple[str, ...] = ()
    """Sites that are not fenced, though they lose workloads."""
    break_glass: str | None = None
    """Who goes on without the approvals that the environment asks for."""
    without_witness: bool = False
    """Go on while the witness is away."""
    typed: str | None = None
    """The verb by which it was asked for, where another does the same."""
    supposed: bool = False
    """Nothing failed: it is asked what a promotion would do if the writer failed now."""


@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    name: str
    writer: str
    term: int
    """The term that ends."""
    commit: tuple[int, int]
    step: int
    saved_at: float
    source: str
    """The repository that it is restored from."""
    loss_s: float
    """Work lost at worst, from the save to the failure, as far as it is known now."""
    loss_bound_s: float | None
    """What the objective, or the operator's consent, allows to be lost; None: any loss."""
    seal: tuple[str, ...]
    unreachable: tuple[str, ...]
    ranks: int
    reopen: bool
    """The target writes it already, and its log was sealed by an operation that did not end: only the term is new."""
    acknowledge: tuple[str, ...]
    suspended: tuple[str, ...]
    """Sites that should confirm checkpoints in the new term and are out of reach: confirmation is off until they are back."""
    void: tuple[str, ...]
    """Checkpoints that will not stand: another of the same name counts before them (as far as facts go)."""
    why: str = ""
    """How the recovery point stands with proof, and what the other choice would have lost."""
    other: Other | None = None
    prefer_newest: bool = False
    still_since: float | None = None
    """When its work is known to have stopped (unix seconds), where nobody told the failure: the loss counts to that."""


@dataclass(frozen=True, slots=True)
class Other:
    """A recovery point that could have been taken instead."""

    commit: tuple[int, int]
    step: int
    saved_at: float
    proved: bool
    loss_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A promotion. `base`: the assignment that it was decided on; any newer one makes it stale."""

    environment: str
    target: str
    base: int
    workloads: tuple[WorkloadPlan, ...]
    fence: tuple[str, ...]
    capacity: int
    consents: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    alone: bool = False
    """Whether only these workloads move: their sites go on with the rest."""
    kind: Literal["promote", "switchover", "fence"] = "promote"
    notices: tuple[dict[str, Any], ...] = ()
    """Whom to tell of its begin, its end and its failures: definitions without secrets."""
    reason: str = ""
    """The operator's, for the consents."""
    stops: tuple[str, ...] = ()
    """Of a fence: workloads that stand still afterwards."""
    clocks: tuple[str, ...] = ()
    """What clocks disagree about, and whose time counts; nothing where they agree."""
    fenced: tuple[str, ...] = ()
    """Who stopped the target on purpose, when and why, where that still stands."""
    runs: tuple[str, ...] = ()
    """What is seen to run where it is taken from, and what would lose less."""

    def document(self) -> dict[str, Any]:
        """JSON of the plan, with its hash."""
        body = asdict(self)
        return {**body, "hash": self.hash()}

    def hash(self) -> str:
        """The first 16 digits of its digest, for people."""
        return digest_of(asdict(self))[:16]


_VARYING = ("loss_s", "why", "other", "still_since")
BESIDE = ("clocks", "fenced", "runs")
"""Told with a plan, and no part of it."""


def digest_of(document: Mapping[str, Any]) -> str:
    """64 hex digits over what an operator agrees to in a plan's document, wherever that was kept."""
    body = {
        each.name: document[each.name] for each in fields(Plan) if each.name in document and each.name not in BESIDE
    }
    said = [each.name for each in fields(WorkloadPlan) if each.name not in _VARYING]
    body["workloads"] = [{name: each[name] for name in said if name in each} for each in document["workloads"]]
    return digest(canonical(body))


def plan_promotion(environment: str, facts: Facts, target: str, needs: Mapping[str, Need], given: Given) -> Plan:
    """The plan that makes `target` the writer of every workload that it does not write yet.

    NotReady, PromotionRefused, ConsentRequired; OperationConflict if there is nothing left to do.
    """
    moving = moving_of(facts, target, given, stopped=True)
    capacity = require_ready(facts, target, moving, needs, alone=bool(given.only))
    plans = tuple(_plan_workload(each, target, needs[each.name], given, facts) for each in moving)
    fence = tuple(sorted({each.writer for each in moving} - {target}))
    alone = bool(given.only)
    after = {name: need.after for name, need in needs.items()}
    unwitnessed = consent_to(given, target, leased=[each.name for each in moving if needs[each.name].leased])
    consents = (*to_losses(plans, needs, given), *skipped_fences(fence, given), *unwitnessed)
    return Plan(
        environment=environment, target=target, base=facts.assignment.number, workloads=plans, fence=fence,
        capacity=capacity, consents=with_broken_glass(consents, given), alone=alone,
        reason=given.reason or "",
        steps=promotion_steps(
            target, [asdict(each) for each in plans], fence, after, alone=alone, leased=_leased(moving, needs, target),
            unfenced=given.skip_fence, proven=given.without_witness,
        ),
    )  # fmt: skip


def _leased(moving: list[WorkloadFact], needs: Mapping[str, Need], target: str) -> tuple[str, ...]:
    """Sites whose leases end by this promotion."""
    return tuple(sorted({each.writer for each in moving if needs[each.name].leased} - {target}))


def moving_of(facts: Facts, target: str, given: Given, *, stopped: bool = False) -> list[WorkloadFact]:
    """EnvironmentUnknown, OperationConflict. `stopped`: those too that the target writes, and that do not run there."""
    for name in given.only:
        if name not in facts.workloads:
            raise EnvironmentUnknown(
                f"no workload {name!r} writes here", hint=f"Those that do: {', '.join(sorted(facts.workloads))}."
            )
    named = [each for each in facts.workloads.values() if not given.only or each.name in given.only]
    moving = [
        each for each in named
        if _moves(each, target, reopen=given.reopen is not None) or (stopped and stopped_at(each, target, facts))
    ]  # fmt: skip
    if not moving:
        told = ", ".join(given.only) or "every workload"
        raise OperationConflict(f"{target} writes {told} already: nothing to promote")
    return moving


def _moves(each: WorkloadFact, target: str, *, reopen: bool) -> bool:
    return each.writer == target if reopen else each.writer != target or stranded(each)


def stranded(each: WorkloadFact) -> bool:
    """Whether a log is sealed at the term that is assigned, or the writer's own never opened it: it commits nothing so."""
    own = each.repositories.get(each.writer)
    unopened = own is not None and own.reachable and own.slots > 0 and own.term < each.term
    return unopened or any(fact.reachable and fact.sealed >= each.term for fact in each.repositories.values())


def stopped_at(each: WorkloadFact, target: str, facts: Facts) -> bool:
    """Whether the target writes it, and is seen not to run it nor to be about to."""
    site = facts.sites.get(target)
    job = site.jobs.get(each.name) if site is not None and site.reachable and site.shows_processes else None
    return each.writer == target and job is not None and job.stopped


def require_ready(
    facts: Facts, target: str, moving: list[WorkloadFact], needs: Mapping[str, Need], *, alone: bool
) -> int:
    """The worker slots that the target shall have; its bound, unless workloads move alone. NotReady."""
    site = facts.sites[target]
    if not site.reachable:
        raise NotReady(f"{target} cannot be reached: {site.why}", hint="Promote to another site, or repair this one.")
    names = {each.name for each in moving} | {each.name for each in facts.workloads.values() if each.writer == target}
    slots = sum(needs[name].ranks for name in names)
    if slots > site.capacity_bound:
        raise NotReady(
            f"{target} can have {site.capacity_bound} worker slots and the work needs {slots}",
            hint="Raise the site's slots in the environment file, then: drstack up ENV --site " + target,
        )
    return max(slots, site.capacity if alone else site.capacity_bound)


def _plan_workload(each: WorkloadFact, target: str, need: Need, given: Given, facts: Facts) -> WorkloadPlan:
    home = each.repositories.get(target)
    if home is None or not home.reachable:
        why = home.why if home else "it has none"
        raise NotReady(f"{target}'s repository cannot be reached: {why}", hint="Repair it, or promote to another site.")
    for repository in each.repositories.values():
        if repository.rolled_back:
            raise PromotionRefused(
                f"{repository.name}'s repository was rolled back: {repository.rolled_back}",
                hint="Put back what is missing, or take it out of reach (a loss of what only it confirmed), then plan again.",
            )
    unreachable = tuple(name for name, fact in each.repositories.items() if not fact.reachable)
    unknown = [name for name in unreachable if name in each.acknowledge]
    if unknown and not agrees_to_any_loss(given):
        raise ConsentRequired(
            f"{each.name}: {', '.join(unknown)} may hold acknowledged checkpoints and cannot be sealed: unknown loss",
            hint="Bring it within reach, or add: --accept-data-loss unknown --reason '…'",
        )
    still = None if given.failed_at else still_since(each, facts)
    failed_at = given.failed_at or still or facts.at
    newest = given.newest or each.writer == target  # a run that goes on by itself goes on from its newest
    wish = Wish(need.demanded, need.rpo_s, failed_at, target, newest, given.failed_proof)
    stays = each.writer == target and (given.reopen is not None or not stopped_at(each, target, facts))
    choice = choose(each, wish)
    tried = None if given.failed_proof else refuted(each, need.demanded)
    if choice is None:
        raise _nothing(each, need, home, tried)
    commit, source = choice.point, choice.source
    loss = max(0.0, failed_at - commit.saved_at)
    allowed = max(need.rpo_s, given.data_loss_s or 0.0)
    if loss > allowed and each.writer != target:
        raise PromotionRefused(
            f"{each.name}: the newest recovery point is step {commit.step}, saved {loss:.1f} s {_since(each, given, still)}; "
            f"the objective is {format_duration(need.rpo_s)}{_passed_over(tried)}{_of_clocks(given, facts)}",
            hint=("Set the clock that is wrong. " if _of_clocks(given, facts) else "")
            + ("" if given.failed_at or still else f"Say when {each.writer} failed, if you know: --failed-at TIME. ")
            + f"To go on all the same: --accept-data-loss {_enough(loss, known=bool(given.failed_at or still))} --reason '…'"
            + ("; or take the one that failed: --accept-failed-proof --reason '…'" if tried else ""),
        )
    any_loss = math.isinf(allowed) or (each.writer == target and not stays)  # its own newest: there is nothing else
    return WorkloadPlan(
        each.name, each.writer, each.term, (commit.id.term, commit.id.height), commit.step,
        commit.saved_at, source, round(loss, 3), None if any_loss else allowed,
        tuple(name for name, fact in each.repositories.items() if fact.reachable), unreachable, need.ranks,
        stays,
        tuple(name for name in need.acknowledge if name not in unreachable),
        tuple(name for name in need.acknowledge if name in unreachable),
        tuple(f"{commit} in {name}" for name, commit in sorted(contested(each.repositories, each.acknowledge, target))),
        choice.why + _passed_over(tried), _other(choice.other, failed_at), newest, still,
    )  # fmt: skip


def _since(each: WorkloadFact, given: Given, still: float | None) -> str:
    """What the age of a recovery point is counted to."""
    if still is not None:
        at = datetime.fromtimestamp(still, UTC).strftime("%H:%M:%S UTC")
        return f"before {each.writer}'s work stood still ({at})"
    if given.supposed:
        return "ago"
    return "before the failure" if given.failed_at else f"ago, and when {each.writer} failed is not known"


_MINUTE_S, _TO_TYPE_MIN = 60, 5


def _enough(loss_s: float, *, known: bool) -> str:
    """A duration that allows this loss, also once somebody has typed it: until it is `known` when work ended, it grows."""
    if known:
        return format_duration(math.ceil(loss_s + 1))
    return format_duration((math.ceil(loss_s / _MINUTE_S) + _TO_TYPE_MIN) * _MINUTE_S)


def _of_clocks(given: Given, facts: Facts) -> str:
    """What clocks disagree about, where a loss was counted by one of them."""
    return "".join(f"; {each}" for each in facts.time.told) if given.failed_at is None else ""


def _nothing(each: WorkloadFact, need: Need, home: RepositoryFact, tried: CommitFact | None) -> DrstackError:
    if tried is not None and tried.proof is not None:
        return ConsentRequired(
            f"{each.name}: every recovery point was tried and failed; step {tried.step}: {tried.proof.reason}",
            hint="To go on with the newest of them all the same: --accept-failed-proof --reason '…'",
        )
    return PromotionRefused(
        f"{each.name}: no reachable repository has a checkpoint with receipts {', '.join(need.demanded)}",
        hint=f"replicator list --repo {home.url} shows what there is; replicator verify writes receipts.",
    )


def _passed_over(tried: CommitFact | None) -> str:
    if tried is None or tried.proof is None:
        return ""
    return f"; step {tried.step} is newer and was tried and FAILED ({tried.proof.reason})"


def _other(commit: CommitFact | None, failed_at: float) -> Other | None:
    if commit is None:
        return None
    loss_s = round(max(0.0, failed_at - commit.saved_at), 3)
    return Other((commit.id.term, commit.id.height), commit.step, commit.saved_at, commit.proved, loss_s)
