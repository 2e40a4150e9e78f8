"""The plans that would be carried out, one for each site that may be lost and each that may take over.

The planner itself decides, on facts as they are when a site is lost: who writes is read from the newest assignment, sizes
from the descriptors; everything but the lost site is within reach, and every repository has a recovery point. Pure.
Invariant: nothing in the result changes from one minute to the next: no ages, no steps of training, no terms.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from drstack.errors import ConsentRequired, DrstackError
from drstack.recovery.conduct import decide
from drstack.recovery.facts import CommitFact, Facts, RepositoryFact, WorkloadFact
from drstack.recovery.plan import Given
from drstack.recovery.ports import SiteObservation
from replicator.log.records import canonical, digest
from replicator.model import CommitId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drstack.recovery.plan import Need, Plan
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment

Doc = dict[str, Any]
_BY = "runbook"
_TERM = re.compile(r"\bterm \d+\b")


@dataclass(frozen=True, slots=True)
class Way:
    """How the work of a lost site comes back at another. `plan` is None where it cannot, for the reason `why`."""

    lost: str
    target: str
    only: tuple[str, ...] = ()
    """Workloads that are named in the command; empty: all."""
    plan: Plan | None = None
    why: str = ""
    hint: str = ""
    asked: tuple[tuple[str, str], ...] = ()
    """Consents that will be asked for in any case: why, and what to add."""


@dataclass(frozen=True, slots=True)
class Lost:
    """One site. `writes`: workloads that it writes now; `ways`: to every other site, where it writes anything."""

    site: str
    writes: tuple[str, ...]
    ways: tuple[Way, ...]


def ways(
    world: World, current: Assignment, bounds: Mapping[str, int], needs: Callable[[str], Mapping[str, Need]]
) -> tuple[Lost, ...]:
    """For every site of `bounds`: how many worker slots it can have. `needs`: of the workloads, at a target."""
    found: list[Lost] = []
    for lost in bounds:
        writes = tuple(
            sorted(name for name, part in current.workloads.items() if part.writer == lost and name in needs(lost))
        )
        others = [site for site in bounds if site != lost and writes]
        found.append(
            Lost(
                lost,
                writes,
                tuple(_way(replace(world, needs=needs(to)), current, bounds, lost, to, writes) for to in others),
            )
        )
    return tuple(found)


def _way(
    world: World, current: Assignment, bounds: Mapping[str, int], lost: str, target: str, writes: tuple[str, ...]
) -> Way:
    facts = as_if_lost(world, current, bounds, lost)
    elsewhere = [each for each in facts.workloads.values() if each.writer not in (lost, target)]
    only = writes if elsewhere else ()
    asked: list[tuple[str, str]] = []
    given = Given(by=_BY, only=only, supposed=True)
    try:
        try:
            plan = decide(world, facts, target, given)
        except ConsentRequired as error:
            asked.append((str(error), error.hint or ""))
            plan = decide(world, facts, target, replace(given, data_loss_s=math.inf, reason=_BY))
    except DrstackError as error:
        return Way(lost, target, only, why=str(error), hint=error.hint or "")
    return Way(lost, target, only, plan, asked=tuple(asked))


def able(every: Sequence[Lost]) -> list[Way]:
    """Those that lead somewhere."""
    return [way for lost in every for way in lost.ways if way.plan is not None]


def first(every: Sequence[Lost], target: str | None) -> Way | None:
    """What the first page is about: the first way that leads anywhere, or to `target` where that is given."""
    return next((each for each in able(every) if target in (None, each.target)), None)


def as_if_lost(world: World, current: Assignment, bounds: Mapping[str, int], lost: str) -> Facts:
    """Everything is there and whole, but for one site."""
    sites = {
        name: SiteObservation(
            name, reachable=name != lost, why="it is lost", capacity=min(world.standby(name) or 0, bound), capacity_bound=bound,
            replicator_running=name != lost,
        )
        for name, bound in bounds.items()
    }  # fmt: skip
    workloads = {
        name: WorkloadFact(
            name, part.writer, part.term, part.acknowledge,
            {site: _repository(site, part.term, world.needs[name], lost=site == lost) for site in bounds},
        )
        for name, part in current.workloads.items()
        if name in world.needs
    }  # fmt: skip
    return Facts(at=0.0, assignment=current, sites=sites, workloads=workloads)


def _repository(site: str, term: int, need: Need, *, lost: bool) -> RepositoryFact:
    if lost:
        return RepositoryFact(site, "", why="it is lost")
    point = CommitFact(CommitId(term, 1), 0, 0.0, 0, suspect=False, receipts=need.demanded, root="", name="")
    return RepositoryFact(site, "", None, slots=1, term=term, newest=(point,))


def steps_told(plan: Plan) -> list[Doc]:
    """The steps in words that stay: a term is `its term`, whichever it is."""
    return [
        {
            "id": step.id, "act": step.act, "subject": step.subject, "at": step.at, "after": list(step.after),
            "does": _lasting(step.does), "requires": _lasting(step.requires), "effect": _lasting(step.effect),
            "undone": _lasting(step.undone), "timeout_s": step.timeout_s, "skippable": step.skippable, "own": step.own,
        }
        for step in plan.steps
    ]  # fmt: skip


def _lasting(text: str) -> str:
    return _TERM.sub("its term", text)


def structure(every: Sequence[Lost]) -> str:
    """A hash of what the plans consist of: sites, workloads, steps, what each waits for, capacity, consents."""
    told = [
        {
            "lost": way.lost, "target": way.target, "only": list(way.only), "why": way.why,
            "asked": [why for why, _ in way.asked],
            "plan": None if way.plan is None else {
                "fence": list(way.plan.fence), "capacity": way.plan.capacity, "steps": steps_told(way.plan),
                "workloads": [
                    {"name": each.name, "writer": each.writer, "ranks": each.ranks, "acknowledge": list(each.acknowledge)}
                    for each in way.plan.workloads
                ],
            },
        }
        for lost in every for way in (lost.ways or (Way(lost.site, ""),))
    ]  # fmt: skip
    return digest(canonical(told))[:16]
