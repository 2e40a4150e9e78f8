"""Whether a drill passed, what was slow against the plan, and what to do about it. Pure.

Invariant: a drill passes only if it came to its end, every objective that it practised was met, and nothing was found
that would have kept the real promotion from doing the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.drills.script import Played, StepPlayed
    from drstack.recovery.estimate import Estimate
    from drstack.recovery.plan import Need

Doc = dict[str, Any]
Result = Literal["passed", "missed", "failed", "gave way", "killed"]
SLOW = 1.5
SLOW_S = 1.0
"""A step is slow if it took so many times its estimate, and so many seconds more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy`: what to do, as a sentence or a command."""

    what: str
    remedy: str
    grave: bool = True
    """Whether the drill fails by it; else an objective is missed by it, or it is only told."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What was measured of one workload, beside what was asked for; seconds. None: this drill does not measure it."""

    workload: str
    step: int
    rpo_s: float
    rpo_objective_s: float
    rto_s: float | None
    rto_objective_s: float
    losses: str | None = None
    """How the losses of the drill's run compare with the real run's."""
    started: bool = True
    """Whether this drill practises a start: without one there is no RTO."""

    @property
    def rpo_met(self) -> bool:
        return self.rpo_s <= self.rpo_objective_s

    @property
    def rto_met(self) -> bool | None:
        if not self.started:
            return None
        return self.rto_s is not None and self.rto_s <= self.rto_objective_s


@dataclass(frozen=True, slots=True)
class StepJudged:
    id: str
    estimate_s: float | None
    took_s: float | None
    slow: bool
    failure: str | None


def objective(
    workload: str, need: Need, *, step: int, rpo_s: float, rto_s: float | None, losses: str | None, started: bool = True
) -> Objective:
    return Objective(workload, step, round(rpo_s, 3), need.rpo_s, rto_s, need.rto_s, losses, started)


def judge_steps(played: Sequence[StepPlayed], estimate: Estimate) -> list[StepJudged]:
    return [
        StepJudged(each.id, guess := estimate.steps.get(each.id), each.took_s, _slow(each.took_s, guess), each.failure)
        for each in played
    ]


def _slow(took_s: float | None, estimate_s: float | None) -> bool:
    if took_s is None or estimate_s is None:
        return False
    return took_s > estimate_s * SLOW and took_s > estimate_s + SLOW_S


def findings_of(objectives: Sequence[Objective], played: Played | None, steps: Sequence[StepJudged]) -> list[Finding]:
    """What the drill itself found; what the real plan said is added by who made it."""
    found: list[Finding] = []
    if played is not None and played.error is not None:
        found.append(
            Finding(played.error, played.hint or "Read the step that failed, mend it, and hold the drill again.")
        )
    for each in objectives:
        if not each.rpo_met:
            found.append(
                Finding(
                    f"{each.workload}: {each.rpo_s:.1f} s of work would be lost; the objective is "
                    f"{format_duration(each.rpo_objective_s)}",
                    "Save or ship more often, or state a greater rpo.",
                    grave=False,
                )
            )
        if each.rto_met is False and each.rto_s is not None:  # else the step that failed says more
            found.append(
                Finding(
                    f"{each.workload}: back after {each.rto_s:.1f} s; the objective is {format_duration(each.rto_objective_s)}",
                    "See which steps took longest, or state a greater rto.",
                    grave=False,
                )
            )
    found += [
        Finding(
            f"{each.id} took {each.took_s:.1f} s; {each.estimate_s:.1f} s were estimated from past operations",
            "See what it waited for; a later drill says whether it stays so.", grave=False,
        )
        for each in steps
        if each.slow
    ]  # fmt: skip
    return found


def result_of(objectives: Sequence[Objective], findings: Sequence[Finding], *, stopped: Result | None) -> Result:
    """`stopped`: how it was cut short, if it was."""
    if stopped is not None:
        return stopped
    if any(each.grave for each in findings):
        return "failed"
    met = all(each.rpo_met and each.rto_met is not False for each in objectives)
    return "passed" if met else "missed"


def document(
    begun: Mapping[str, Any], *, result: Result, why: str, ended_at: float, objectives: Sequence[Objective],
    steps: Sequence[StepJudged], findings: Sequence[Finding], played: Played | None, left_out: Mapping[str, str],
    plan: Mapping[str, Any] | None, estimate: Estimate | None, undone: Sequence[str],
) -> Doc:  # fmt: skip
    """The after-action report as JSON; docs/operations/drills.md names its fields."""
    return {
        **begun, "result": result, "why": why, "ended_at": ended_at,
        "objectives": [{**asdict(each), "rpo_met": each.rpo_met, "rto_met": each.rto_met} for each in objectives],
        "steps": [asdict(each) for each in steps],
        "phases": [dict(each) for each in played.phases] if played is not None else [],
        "prepared_s": played.prepared_s if played is not None else None,
        "confined": played.confined if played is not None else None,
        "estimate_s": estimate.total_s if estimate is not None else None,
        "estimate_operations": estimate.operations if estimate is not None else 0,
        "findings": [asdict(each) for each in findings], "left_out": dict(left_out),
        "plan": plan["hash"] if plan is not None else None, "not_cleaned_up": list(undone),
    }  # fmt: skip
