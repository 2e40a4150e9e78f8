"""What a promotion would do if a site died now, for every standby that could take over. Pure.

It is the real planner that is asked, with facts in which the site is gone: what it refuses now, it would refuse then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from drstack.errors import ConsentRequired, DrstackError, PromotionRefused
from drstack.readiness.back import back
from drstack.recovery.plan import Given, plan_promotion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drstack.readiness.back import Back
    from drstack.readiness.situation import Situation
    from drstack.recovery.facts import Facts, RepositoryFact
    from drstack.recovery.plan import Plan

GONE = "as if it were lost"
BY = "readiness"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the planner refuses. `asks`: a person could have it go on, with a consent."""

    why: str
    hint: str
    asks: bool


@dataclass(frozen=True, slots=True)
class Takeover:
    """Every workload that `writer` writes, brought back at `standby`. `refused`: by workload, those that would not be.

    `plan` None: the planner makes none for all of them together, and `whole` says why.
    """

    writer: str
    standby: str
    workloads: tuple[str, ...]
    plan: Plan | None
    whole: Refusal | None
    refused: dict[str, Refusal]
    time: Back | None


def takeovers(situation: Situation) -> tuple[Takeover, ...]:
    """For each site that writes something, each other site."""
    facts = situation.facts
    if facts is None:
        return ()
    writers = {each.writer for each in facts.workloads.values()}
    pairs = [(writer, standby) for writer in sorted(writers) for standby in facts.sites if standby != writer]
    return tuple(_takeover(situation, facts, writer, standby) for writer, standby in pairs)


def lost(facts: Facts, site: str) -> Facts:
    """The same, had `site` and its repository just been lost."""
    sites = {
        name: replace(each, reachable=False, why=GONE) if name == site else each for name, each in facts.sites.items()
    }
    workloads = {
        name: replace(each, repositories=dict(_without(each.repositories.items(), site)))
        for name, each in facts.workloads.items()
    }
    return replace(facts, sites=sites, workloads=workloads)


def _without(repositories: Iterable[tuple[str, RepositoryFact]], site: str) -> Iterable[tuple[str, RepositoryFact]]:
    for name, each in repositories:
        yield name, replace(each, why=GONE, newest=(), rolled_back=None, sealed=0) if name == site else each


def _takeover(situation: Situation, facts: Facts, writer: str, standby: str) -> Takeover:
    then = lost(facts, writer)
    mine = tuple(name for name, each in facts.workloads.items() if each.writer == writer and name in situation.needs)
    others = [each for each in facts.workloads.values() if each.writer not in (writer, standby)]
    plan = _plan(situation, then, standby, mine if others else ())
    if not isinstance(plan, Refusal):
        return Takeover(writer, standby, mine, plan, None, {}, back(plan.steps, situation.timings))
    each = {name: _plan(situation, then, standby, (name,)) for name in mine}
    refused = {name: said for name, said in each.items() if isinstance(said, Refusal)}
    return Takeover(writer, standby, mine, None, plan, refused, None)


def _plan(situation: Situation, facts: Facts, standby: str, only: tuple[str, ...]) -> Plan | Refusal:
    try:
        return plan_promotion(situation.environment, facts, standby, situation.needs, Given(by=BY, only=only))
    except DrstackError as error:
        asks = isinstance(error, ConsentRequired | PromotionRefused) and "--accept-" in (error.hint or "")
        return Refusal(str(error), error.hint or "", asks)


def kind(refusal: Refusal | None) -> Literal["succeed", "ask", "fail"]:
    return "succeed" if refusal is None else "ask" if refusal.asks else "fail"
