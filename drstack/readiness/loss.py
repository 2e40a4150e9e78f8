"""What a promotion would do if a site died now, for every standby that could take over. Pure.

It is the real planner that is asked, with facts in which the site is gone: what it refuses now, it would refuse then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from drstack.errors import ConsentRequired, DrstackError, PromotionRefused
from drstack.naming import in_place
from drstack.readiness.back import back
from drstack.recovery.own_steps import with_own
from drstack.recovery.plan import Given, plan_promotion

if TYPE_CHECKING:
    from drstack.readiness.back import Back
    from drstack.readiness.situation import Situation
    from drstack.recovery.facts import Facts, WorkloadFact
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
    found: list[Takeover] = []
    for writer in sorted(writers):
        then = lost(facts, writer)
        found += [_takeover(situation, then, writer, standby) for standby in facts.sites if standby != writer]
    return tuple(found)


def lost(facts: Facts, site: str) -> Facts:
    """The same, had `site` and its repository just been lost."""
    sites = {
        name: replace(each, reachable=False, why=GONE) if name == site else each for name, each in facts.sites.items()
    }
    return replace(facts, sites=sites, workloads={name: without(each, site) for name, each in facts.workloads.items()})


def without(each: WorkloadFact, site: str) -> WorkloadFact:
    """The same, had the repository of `site` just been lost."""
    there = each.repositories.get(site)
    if there is None:
        return each
    gone = replace(there, why=GONE, newest=(), rolled_back=None, sealed=0)
    return replace(each, repositories={**each.repositories, site: gone})


def _takeover(situation: Situation, then: Facts, writer: str, standby: str) -> Takeover:
    mine = tuple(name for name, each in then.workloads.items() if each.writer == writer and name in situation.needs)
    others = [each for each in then.workloads.values() if each.writer not in (writer, standby)]
    plan = _plan(situation, then, standby, mine if others else ())
    if not isinstance(plan, Refusal):
        return Takeover(writer, standby, mine, plan, None, {}, back(plan.steps, situation.timings))
    each = {name: _plan(situation, then, standby, (name,)) for name in mine}
    refused = {name: said for name, said in each.items() if isinstance(said, Refusal)}
    return Takeover(writer, standby, mine, None, plan, refused, None)


def _plan(situation: Situation, facts: Facts, standby: str, only: tuple[str, ...]) -> Plan | Refusal:
    given = Given(by=BY, only=only, supposed=True)
    try:
        return with_own(
            plan_promotion(situation.environment, facts, standby, situation.needs, given), situation.own, given
        )
    except DrstackError as error:
        asks = isinstance(error, ConsentRequired | PromotionRefused) and "--accept-" in (error.hint or "")
        hint = in_place(error.hint or "", situation.environment, to=standby)
        return Refusal(str(error), hint, asks)


def kind(refusal: Refusal | None) -> Literal["succeed", "ask", "fail"]:
    return "succeed" if refusal is None else "ask" if refusal.asks else "fail"
