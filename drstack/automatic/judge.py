"""What is to be done without a person, if anything: wait, repair, promote, resume, or refuse and tell a person. Pure.

Invariant: nothing is promoted unless two declared observers, neither of them in the site that is lost, were both heard
just now, both see the standby and not the site, agree on that for long enough, and saw its leases end; and nobody at all
sees a sign of life of it, or saw it less than that long ago and fell silent. What only one of them has lost sight of is a
partition (DESIGN, rule 8).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.automatic.policy import Policy, Remedy
    from drstack.automatic.sight import LeaseSeen, Sight, SiteSeen

Act = Literal["wait", "repair", "promote", "resume", "refuse"]
OBSERVERS = 2
SKEW_S = 120.0
"""Observers whose clocks differ by more cannot keep a budget of one in a period."""


@dataclass(frozen=True, slots=True)
class View:
    """One observer's word. `age_s`: since it was first seen here; `promised_s`: how soon it said that it would speak again."""

    observer: str
    sight: Sight
    age_s: float
    promised_s: float
    at: str | None = None
    """The site that it runs in, if any."""
    busy: bool = False
    """It carries out an operation: it lives, and its sight is old."""
    skew_s: float = 0.0
    """How far its clock is from this one."""

    @property
    def fresh(self) -> bool:
        return self.age_s <= self.promised_s


@dataclass(frozen=True, slots=True)
class Running:
    """An operation that has not ended. `by`: the observer that began it; None where a person did."""

    identity: str
    by: str | None
    paused: bool = False
    tried: int = 0
    """How often this observer has taken it up already."""
    silent: bool = False
    """Whether who began it has not been heard for longer than it promised, while this one listened."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A repair on record. `age_s` since it began; `result` None: nobody says how it ended."""

    site: str
    remedy: Remedy
    workload: str
    age_s: float
    result: str | None


@dataclass(frozen=True, slots=True)
class Situation:
    """`writes`: per workload its writer and term, as the newest assignment says."""

    me: str
    assignment: int
    writes: Mapping[str, tuple[str, int]]
    ranks: Mapping[str, int]
    views: Mapping[str, View]
    running: Running | None = None
    held: str | None = None
    """Why a person holds all of this off."""
    promoted_ages_s: tuple[float, ...] = ()
    """How long ago promotions were begun without a person; below 0: in the future by this clock."""
    repairs: tuple[Tried, ...] = ()
    not_ready: str | None = None
    """Why a promotion would be refused, or need a consent."""


@dataclass(frozen=True, slots=True)
class Verdict:
    act: Act
    reason: str
    site: str = ""
    """What it is about."""
    workloads: tuple[str, ...] = ()
    remedy: Remedy | None = None
    lost_for_s: float = 0.0
    """For how long nobody has seen it."""
    evidence: tuple[str, ...] = field(default=())
    """Observers that agree."""


RETRIES = 5


def judge(situation: Situation, policy: Policy) -> Verdict:
    why = _not_yet(situation, policy)
    if why is not None:
        return Verdict("wait", why)
    if situation.running is not None:
        return _operation(situation, situation.running)
    mine = situation.views[situation.me]
    waiting: Verdict | None = None
    for site in sorted({writer for writer, _ in situation.writes.values()}):
        found = _site(site, mine, situation, policy)
        if found.act != "wait":
            return found
        waiting = waiting or found
    return waiting or Verdict("wait", "nobody writes anything")


def _not_yet(situation: Situation, policy: Policy) -> str | None:
    """Why nothing is judged at all."""
    if not policy.automatic:
        return "automatic promotion is off"
    if situation.me not in policy.observers:
        return f"{situation.me} is no declared observer"
    mine = situation.views.get(situation.me)
    if mine is None or not mine.fresh:
        return f"{situation.me} has not seen anything itself yet"
    if mine.sight.assignment != situation.assignment:
        return "the assignment changed just now"
    return None


def _operation(situation: Situation, running: Running) -> Verdict:
    if running.by is None:
        return Verdict("wait", f"operation {running.identity} of a person is under way")
    if running.paused:
        return Verdict("wait", f"operation {running.identity} is paused")
    if situation.held is not None:
        return Verdict("refuse", f"operation {running.identity} is not taken up: {situation.held}")
    if running.by != situation.me and not running.silent:
        return Verdict("wait", f"{running.by} carries out operation {running.identity}")
    if running.tried >= RETRIES:
        return Verdict("refuse", f"operation {running.identity} was taken up {running.tried} times and does not end")
    return Verdict("resume", f"operation {running.identity} of {running.by} has not ended")


def _site(site: str, mine: View, situation: Situation, policy: Policy) -> Verdict:
    names = tuple(sorted(name for name, (writer, _) in situation.writes.items() if writer == site))
    seen = mine.sight.sites.get(site)
    if seen is None:
        return Verdict("wait", f"{situation.me} has never looked at {site}", site)
    if seen.reachable:
        return _repair(site, names, seen, situation, policy)
    if site == policy.to:
        return Verdict("wait", f"{site} writes and cannot be seen; no other site may take over by itself", site)
    return _lost(site, names, situation, policy)


def _lost(site: str, names: tuple[str, ...], situation: Situation, policy: Policy) -> Verdict:
    fresh = [view for view in situation.views.values() if view.fresh and not view.busy]
    why = _seen(site, situation, policy) or _alive(site, names, fresh, situation, policy)
    if why is not None:
        return Verdict("wait", why, site)
    heard = [view for view in fresh if view.observer in policy.observers and view.at != site]
    agree = tuple(sorted(view.observer for view in heard))
    if len(agree) < OBSERVERS:
        told = ", ".join(agree) or "nobody"
        return Verdict(
            "wait", f"only {told} has lost sight of {site}: one observer cannot tell that from its own path", site
        )
    for view in heard:
        why = _doubt(view, site, situation, policy)
        if why is not None:
            return Verdict("wait", why, site)
    lost_for_s = min(view.sight.sites[site].for_s for view in heard)
    bar = _barred(names, heard, situation, policy)
    if bar is not None:
        return Verdict("refuse", f"{site} is lost to {', '.join(agree)} for {lost_for_s:.0f} s; {bar}", site, names)
    reason = (
        f"{', '.join(agree)} see {policy.to} and not {site} for {lost_for_s:.0f} s, and its leases were not renewed"
    )
    return Verdict("promote", reason, site, names, lost_for_s=lost_for_s, evidence=agree)


def _seen(site: str, situation: Situation, policy: Policy) -> str | None:
    """Who saw the site last, if that was just now: one that fell silent since may see it still."""
    for view in sorted(situation.views.values(), key=lambda each: each.observer):
        seen = view.sight.sites.get(site)
        if view.busy or seen is None or not seen.reachable:
            continue
        if view.fresh:
            return f"{view.observer} sees {site}: a partition, not a death"
        if view.age_s < policy.after_s:
            return f"{view.observer} saw {site} {view.age_s:.0f} s ago, and has said nothing since"
    return None


def _alive(site: str, names: Sequence[str], fresh: Sequence[View], situation: Situation, policy: Policy) -> str | None:
    """Another sign of life of the site that anybody has, whether its word counts or not."""
    for view in sorted(fresh, key=lambda each: each.observer):
        seen = view.sight.sites.get(site)
        if seen is not None and seen.serves:
            return f"{view.observer}: the router is answered by {site}"
        for name in names:
            lease = view.sight.leases.get(name)
            renewed = lease is not None and lease.term == situation.writes[name][1] and not _over(lease, policy)
            if renewed:
                return f"{view.observer}: the lease of {name} may still hold: {site} had renewed it"
            if view.sight.heads_still_for_s.get(name, policy.after_s) < policy.after_s:
                return (
                    f"{view.observer}: a checkpoint of {name} arrived less than {format_duration(policy.after_s)} ago"
                )
    return None


def _over(lease: LeaseSeen, policy: Policy) -> bool:
    return lease.for_s is not None and lease.still_for_s >= lease.for_s + policy.lease_margin_s


def _doubt(view: View, site: str, situation: Situation, policy: Policy) -> str | None:
    """Why this observer's word does not count towards a promotion yet."""
    who, seen, standby = view.observer, view.sight.sites.get(site), view.sight.sites.get(policy.to)
    if view.sight.assignment != situation.assignment:
        return f"{who} has not read assignment {situation.assignment} yet"
    if seen is None:
        return f"{who} has never looked at {site}"
    if standby is None or not standby.reachable or not standby.repository:
        return f"{who} does not see {policy.to} either: it may be cut off itself"
    if seen.looks < policy.looks or seen.for_s < policy.after_s:
        return f"{who} has not seen {site} for {seen.for_s:.0f} of {policy.after_s:g} s, in {seen.looks} of {policy.looks} looks"
    return None


def _barred(names: Sequence[str], heard: Sequence[View], situation: Situation, policy: Policy) -> str | None:
    """Why nothing is promoted although all of them agree: what a person has to decide."""
    for name in names:
        for view in heard:
            lease = view.sight.leases.get(name)
            if lease is None or lease.term != situation.writes[name][1] or lease.for_s is None:
                return f"nobody holds a lease of {name} in its term: its work may go on"
    if situation.held is not None:
        return f"held off: {situation.held}"
    skewed = [view.observer for view in heard if abs(view.skew_s) > SKEW_S]
    if skewed:
        return f"the clock of {', '.join(skewed)} differs by more than {SKEW_S:g} s, so that nobody can keep the budget"
    if any(age_s < policy.period_s for age_s in situation.promoted_ages_s):
        return f"one automatic promotion was made in the last {format_duration(policy.period_s)} already"
    if situation.not_ready is not None:
        return f"{policy.to} could not take over without a person: {situation.not_ready}"
    return None


def _repair(site: str, names: Sequence[str], seen: SiteSeen, situation: Situation, policy: Policy) -> Verdict:
    """At a site within reach nothing is ever promoted: what is broken there is mended there."""
    found = _broken(names, seen, situation, policy)
    if found is None:
        return Verdict("wait", f"{site} is within reach", site)
    remedy, workload, what = found
    if remedy not in policy.repair:
        return Verdict("refuse", f"{what} at {site}; `{remedy}` is not among its repairs", site)
    if situation.held is not None:
        return Verdict("refuse", f"{what} at {site}; held off: {situation.held}", site)
    same = [each for each in situation.repairs if (each.site, each.remedy, each.workload) == (site, remedy, workload)]
    recent = [each for each in same if each.age_s < policy.period_s]
    if any(each.age_s < policy.after_s for each in recent):
        return Verdict("wait", f"{what} at {site}; a {remedy} was begun {min(e.age_s for e in recent):.0f} s ago", site)
    if len(recent) >= policy.attempts:
        return Verdict(
            "refuse", f"{what} at {site}, after {len(recent)} times {remedy}; the site is within reach: a person decides", site
        )  # fmt: skip
    return Verdict("repair", f"{what} at {site}", site, (workload,) if workload else (), remedy=remedy)


def _broken(
    names: Sequence[str], seen: SiteSeen, situation: Situation, policy: Policy
) -> tuple[Remedy, str, str] | None:
    """What is broken at a site that writes, for long enough, as the site itself says."""
    if seen.looks < policy.looks or seen.for_s < policy.after_s:
        return None
    if seen.health_for_s >= policy.after_s:
        if not seen.replicator:
            return "reship", "", "the replicator does not run"
        if seen.capacity < min(sum(situation.ranks.get(name, 1) for name in names), seen.bound):
            return "replace", "", f"only {seen.capacity} worker slots run"
    for name in names:
        job = seen.jobs.get(name)
        if job is not None and job.down_for_s >= policy.after_s:
            return "restart", name, f"{name} has not run for {job.down_for_s:.0f} s ({job.failure})"
    return None
