"""Which steps of a promotion's plan a drill practises: all, or one part and what that needs. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.steps import Step

Component = Literal["restore", "capacity", "start"]
_ACTS: dict[Component, tuple[str, ...]] = {
    "restore": ("restore",), "capacity": ("capacity",), "start": ("start", "prove"),
}  # fmt: skip
ELSEWHERE = {
    "requests": "a drill moves no requests: they would be users'",
    "answers": "a drill moves no requests: they would be users'",
    "lease": "a drill holds no leases; a real promotion may wait until they end",
    "reconcile": "Pulumi describes the real environment only",
}
"""Acts that a drill leaves out, and why."""


def practised(steps: Sequence[Step], component: Component | None) -> tuple[Step, ...]:
    """The steps that a drill carries out, in the plan's order; what they wait for among those that are left out is dropped."""
    left = [step for step in steps if step.act not in ELSEWHERE and step.own is None]
    if component is not None:
        wanted = _needed(left, {step.id for step in left if step.act in _ACTS[component]})
        left = [step for step in left if step.id in wanted]
    known = {step.id for step in left}
    return tuple(_after(step, known) for step in left)


def left_out(steps: Sequence[Step], done: Sequence[Step]) -> dict[str, str]:
    """Per step that the drill does not practise, why."""
    kept = {step.id for step in done}
    return {step.id: _why(step) for step in steps if step.id not in kept}


def _why(step: Step) -> str:
    if step.own is not None:
        return "a step of your own: it would act on real systems"
    return ELSEWHERE.get(step.act, "not part of this drill")


def _needed(steps: Sequence[Step], wanted: set[str]) -> set[str]:
    behind = {step.id: step.after for step in steps}
    found: set[str] = set()
    pending = list(wanted)
    while pending:
        name = pending.pop()
        if name not in found and name in behind:
            found.add(name)
            pending += behind[name]
    return found


def _after(step: Step, known: set[str]) -> Step:
    return replace(step, after=tuple(name for name in step.after if name in known))
