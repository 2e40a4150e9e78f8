"""What keeps a promotion from succeeding, or will: findings, and what they leave of a score. Pure.

`score` of a workload at a standby: 100, times `KEEPS` of every finding that touches both, rounded down. A workload's is
its best standby's, the environment's is its worst workload's. Invariant: a finding more never raises a score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drstack.recovery.evidence import Evidence

Severity = Literal["blocking", "serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("blocking", "serious", "warning", "note")
KEEPS: dict[Severity, float] = {"blocking": 0.0, "serious": 0.5, "warning": 0.85, "note": 1.0}
"""What is left of a score. `blocking`: a promotion would not succeed. `serious`: it would lose more than the objective,
or only with a consent, or nobody can say. `warning`: it will be so, or something that helps is missing. `note`: costs
nothing."""
Role = Literal["standby", "writer", "any"]
FIRST = ("writer-unseen",)
"""Told before all others, for these say less while it stands."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`id` is listed in docs/operations/readiness.md; `remedy` is a command, or says what to do.

    It touches `workload` (None: every one) where `site` (None: any) has `role` (None: either); with the role `any`,
    wherever the workload could go: `site` is then only where it was found.
    """

    id: str
    severity: Severity
    what: str
    remedy: str
    evidence: Evidence
    workload: str | None = None
    site: str | None = None
    role: Role | None = None

    def touches(self, workload: str, writer: str, standby: str) -> bool:
        if self.workload not in (None, workload):
            return False
        here = {"standby": (standby,), "writer": (writer,)}.get(self.role or "", (standby, writer))
        return self.site is None or self.role == "any" or self.site in here

    def document(self, now: float) -> dict[str, object]:
        return {
            "id": self.id, "severity": self.severity, "workload": self.workload, "site": self.site, "what": self.what,
            "evidence": self.evidence.document(now), "remedy": self.remedy,
        }  # fmt: skip


def score(findings: Iterable[Finding]) -> int:
    """0 to 100, of findings that all touch the same."""
    return math.floor(100 * math.prod(KEEPS[each.severity] for each in findings) + 1e-9)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    rank = SEVERITIES.index
    return tuple(
        sorted(
            findings,
            key=lambda each: (each.id not in FIRST, rank(each.severity), each.id, each.site or "", each.workload or ""),
        )
    )


def counts(findings: Iterable[Finding]) -> dict[Severity, int]:
    of = [each.severity for each in findings]
    return {severity: of.count(severity) for severity in SEVERITIES}
