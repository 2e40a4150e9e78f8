"""Operations: one in the way, what the planner would say, and how long it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.drills.parts import ELSEWHERE
from drstack.readiness.catalogue import finding
from drstack.recovery.evidence import supposed, told
from drstack.recovery.status import spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from drstack.readiness.finding import Finding
    from drstack.readiness.loss import Takeover
    from drstack.readiness.situation import Situation


def operations(situation: Situation) -> Iterator[Finding]:
    running = situation.operation
    if running is None:
        return
    evidence = told(f"operation {running['id']} on {situation.witness}", running.get("began_at"))
    resume = f"drstack resume {situation.environment}"
    what = f"operation {running['id']} ({running['kind']} to {running['target']})"
    if running["paused"] is not None:
        by = running["paused"]
        yield finding("operation-paused", f"{what} is paused by {by['by']}: {by['reason']}", resume, evidence)
    else:
        left = len(running["begun"]) + len(running["failed"]) + len(running["waiting"])
        yield finding("operation-unfinished", f"{what} has not ended: {left} steps are left", resume, evidence)
    for step, why in running["failed"].items():
        if step in running["unknown"]:
            confirm = f"drstack confirm {situation.environment} {step} --reason '…', or --again if it did not happen; {resume}"
            yield finding("operation-failed", f"{what}: nobody knows whether {step} happened: {why}", confirm, evidence)
        else:
            yield finding("operation-failed", f"{what}: {step} failed: {why}", resume, evidence)


def planned(situation: Situation, takeovers: Sequence[Takeover], found: Sequence[Finding]) -> Iterator[Finding]:
    """What the planner refuses for a reason that no other finding names, and how long it would take."""
    for each in takeovers:
        pairs = {name: (name, each.writer, each.standby) for name in each.workloads}
        refused = each.refused or (dict.fromkeys(each.workloads, each.whole) if each.whole else {})
        for name, refusal in refused.items():
            named = [f for f in found if f.touches(*pairs[name]) and f.severity in ("blocking", "serious")]
            if named:
                continue
            yield finding(
                "consent-needed" if refusal.asks else "promotion-refused",
                f"{name}: were {each.writer} lost, a promotion to {each.standby} would be refused: {refusal.why}",
                refusal.hint or f"drstack promote {situation.environment} --to {each.standby} --plan",
                supposed("the planner", situation.at), workload=name, site=each.standby, role="standby",
            )  # fmt: skip
        yield from _time(situation, each)


def _time(situation: Situation, each: Takeover) -> Iterator[Finding]:
    if each.plan is None:
        return
    back = each.time
    untimed = [] if back is None else [step for step in back.unknown if step.split()[0] not in ELSEWHERE]
    if back is None or untimed:
        lacking = "nothing was ever timed" if back is None else f"{', '.join(untimed[:3])} never timed"
        yield finding(
            "never-timed", f"how long {each.standby} takes to take over from {each.writer} is not known: {lacking}",
            f"drstack drill {situation.environment} --site {each.standby}", supposed("past operations and drills"),
            site=each.standby, role="standby",
        )  # fmt: skip
    for name in each.workloads if back is not None else ():
        objective_s = situation.needs[name].rto_s
        if back is not None and back.seconds > objective_s:
            yield finding(
                "rto-beyond",
                f"{name}: {each.standby} would have it back after {spell(back.seconds)}; the objective is {spell(objective_s)}"
                + (f"; slowest is {back.slowest}" if back.slowest else ""),
                f"drstack report {situation.environment} (which phase is slow), or relax `rto`",
                supposed("past operations"), workload=name, site=each.standby, role="standby",
            )  # fmt: skip
