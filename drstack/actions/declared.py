"""The steps that an environment file declares, as a plan takes them: with words for people, without secrets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.recovery.acting import OwnStep
from drstack.spec.references import shown_command
from drstack.spec.steps import document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.spec.steps import OwnStep as Declared


def own_steps(declared: Mapping[str, Declared]) -> tuple[OwnStep, ...]:
    return tuple(
        OwnStep(
            name=name, kind=step.kind, definition=document(step), after=step.after, before=step.before, on=step.on,
            to=step.to, workloads=step.workloads, timeout_s=step.timeout_s, tries=step.tries,
            repeatable=step.repeatable, checked=step.check is not None,
            does=lambda target, step=step: does(step, target), undo=step.undo or "",
        )
        for name, step in declared.items()
    )  # fmt: skip


def does(step: Declared, target: str) -> str:
    """What it does, in words."""
    words = f"wait for a person: {step.wait}"
    if step.shell is not None:
        words = f"run {_short(shown_command(step.shell))}"
    return words.replace("{target}", target)


def _short(text: str, most: int = 80) -> str:
    one = " ".join(text.split())
    return one if len(one) <= most else one[: most - 1] + "…"
