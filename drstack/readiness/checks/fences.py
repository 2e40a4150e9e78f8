"""Sites that somebody stopped on purpose: who, when and why, and the ways out of it, so that nobody undoes it unawares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.readiness.catalogue import finding
from drstack.recovery.evidence import told
from drstack.recovery.status import spell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.readiness.finding import Finding
    from drstack.readiness.situation import Situation
    from drstack.recovery.fenced import Deliberate


def fences(situation: Situation) -> Iterator[Finding]:
    for each in situation.fences:
        stands = f"; {', '.join(each.workloads)} stands still" if each.workloads and not each.alone else ""
        what = f"{each.told()}, {spell(max(0.0, situation.at - each.at))} ago{stands}"
        evidence = told(f"operation {each.operation} on {situation.witness}", each.at)
        for workload in each.workloads if each.alone else (None,):
            yield finding(
                "fenced", what, _ways_out(situation, each), evidence, workload=workload, site=each.site,
            )  # fmt: skip


def _ways_out(situation: Situation, each: Deliberate) -> str:
    environment, facts = situation.environment, situation.facts
    if not each.workloads:
        return f"ask {each.by}; drstack up {environment} --site {each.site} --refresh has it stand by again"
    others = [name for name in (facts.sites if facts is not None else ()) if name != each.site]
    to = others[0] if len(others) == 1 else "SITE"
    return (
        f"drstack fence {environment} {each.site} --lift --reason '…' starts it there again (ask {each.by}), or "
        f"drstack promote {environment} --to {to}"
    )
