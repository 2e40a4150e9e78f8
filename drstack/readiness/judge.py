"""Would a promotion succeed now? For every workload and every standby that could take over: what is in the way. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.readiness.checks.approvals import approvals
from drstack.readiness.checks.clocks import clocks
from drstack.readiness.checks.fences import fences
from drstack.readiness.checks.keys import keys
from drstack.readiness.checks.leases import leases
from drstack.readiness.checks.operations import operations, planned
from drstack.readiness.checks.outside import outside
from drstack.readiness.checks.points import ahead, best, points
from drstack.readiness.checks.standbys import standbys
from drstack.readiness.finding import counts, score, worst_first
from drstack.readiness.loss import kind, takeovers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.readiness.back import Back
    from drstack.readiness.breach import Outlook
    from drstack.readiness.finding import Finding
    from drstack.readiness.loss import Refusal, Takeover
    from drstack.readiness.situation import Situation
    from drstack.recovery.facts import Facts

Doc = dict[str, Any]
CHECKS = (outside, clocks, points, fences, standbys, keys, leases, approvals, operations)


@dataclass(frozen=True, slots=True)
class Standby:
    """One workload at one standby. `refusal`: what the planner would say were the writer lost; None: it would go."""

    site: str
    score: int
    refusal: Refusal | None
    time: Back | None
    outlook: Outlook | None
    limited_by: str | None
    untimed: str | None = None
    """Why there is no `time`."""


@dataclass(frozen=True, slots=True)
class WorkloadReadiness:
    """`best`: the standby with the highest score; None where there is none. `loss_s`: were its writer lost now."""

    name: str
    writer: str
    score: int
    best: str | None
    standbys: Mapping[str, Standby]
    loss_s: float | None
    rpo_s: float


@dataclass(frozen=True, slots=True)
class Readiness:
    """`score` 0 to 100; `at` in unix seconds; findings worst first."""

    environment: str
    at: float
    score: int
    findings: tuple[Finding, ...]
    workloads: Mapping[str, WorkloadReadiness]

    @property
    def ready(self) -> bool:
        """Whether, for every workload, nothing blocks the best standby."""
        return self.score > 0

    def document(self) -> Doc:
        """JSON; docs/cli.md names its fields."""
        return {
            "score": self.score, "ready": self.ready, "at": self.at, "findings": [f.document(self.at) for f in self.findings],
            "counts": dict(counts(self.findings)),
            "workloads": {name: _workload(each) for name, each in self.workloads.items()},
        }  # fmt: skip


def judge(situation: Situation) -> Readiness:
    """The judgement of what is known."""
    found = [each for check in CHECKS for each in check(situation)]
    taken = takeovers(situation)
    found += planned(situation, taken, found)
    by_pair = {(each.writer, each.standby): each for each in taken}
    workloads = _workloads(situation, situation.facts, found, by_pair) if situation.facts is not None else {}
    total = min((each.score for each in workloads.values()), default=0 if situation.facts is None else score(found))
    return Readiness(situation.environment, situation.at, total, worst_first(found), workloads)


def _workloads(
    situation: Situation, facts: Facts, found: Sequence[Finding], taken: Mapping[tuple[str, str], Takeover]
) -> dict[str, WorkloadReadiness]:
    judged: dict[str, WorkloadReadiness] = {}
    for name, each in facts.workloads.items():
        need = situation.needs[name]
        each_standby: dict[str, Standby] = {}
        for site in facts.sites:
            takeover = taken.get((each.writer, site))
            if site == each.writer or takeover is None:
                continue
            touching = [f for f in found if f.touches(name, each.writer, site)]
            repository = each.repositories.get(site)
            seen = ahead(facts, each, need, repository) if repository is not None and repository.reachable else None
            refusal = takeover.refused.get(name) or (None if takeover.refused else takeover.whole)
            each_standby[site] = Standby(
                site, score(touching), refusal, takeover.time, seen, _limit(touching, takeover.time),
                _untimed(name, takeover, refusal),
            )  # fmt: skip
        first = max(
            each_standby.values(), key=lambda s: (s.score, -(s.time.seconds if s.time else math.inf)), default=None
        )
        choice = best(facts, each, need)
        loss_s = None if choice is None else max(0.0, facts.at - choice.point.saved_at)
        judged[name] = WorkloadReadiness(
            name,
            each.writer,
            first.score if first else 0,
            first.site if first else None,
            each_standby,
            loss_s,
            need.rpo_s,
        )
    return judged


def _untimed(name: str, takeover: Takeover, refusal: Refusal | None) -> str | None:
    """Only a plan can be timed: where there is none, why there is none counts."""
    if takeover.time is not None:
        return None
    if refusal is not None:
        would = "go on only with a consent" if refusal.asks else "not go on"
        return f"a promotion to {takeover.standby} would {would} ({refusal.why.removeprefix(f'{name}: ')})"
    if takeover.refused:
        others = ", ".join(sorted(takeover.refused))
        return f"a promotion to {takeover.standby} of all that {takeover.writer} writes would be refused for {others}"
    return f"no operation was timed yet that brings work back at {takeover.standby}"


_LIMITS = {
    "capacity": ("capacity-short", "capacity-down", "capacity-unproved"),
    "reach": ("site-unreachable", "repository-unreachable", "descriptor-absent"),
    "keys": ("promoter-absent", "recipient-absent", "recipient-useless"),
    "its recovery point": ("recovery-point-none", "recovery-point-old", "rolled-back", "proof-failed"),
    "an unfinished operation": ("operation-unfinished", "operation-paused", "operation-failed"),
}


def _limit(touching: Sequence[Finding], time: Back | None) -> str | None:
    """What a promotion would be short of: the worst finding's subject, else the slowest step."""
    of = {id_: what for what, ids in _LIMITS.items() for id_ in ids}
    named = next((of[each.id] for each in worst_first(touching) if each.id in of), None)
    return named or (time.slowest if time is not None else None)


def _workload(each: WorkloadReadiness) -> Doc:
    return {
        "writer": each.writer, "score": each.score, "best": each.best, "loss_s": each.loss_s,
        "standbys": {
            site: {
                "score": s.score, "would": kind(s.refusal), "refusal": s.refusal.why if s.refusal else None,
                "back": s.time.document() if s.time else None, "back_unknown": s.untimed, "limited_by": s.limited_by,
                "rpo_attained_s": s.outlook.attained_rpo_s if s.outlook else None,
                "breach_in_s": _finite(s.outlook.breach_in_s) if s.outlook else None,
            }
            for site, s in each.standbys.items()
        },
    }  # fmt: skip


def _finite(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds
