"""The steps that an environment file declares, as a plan takes them: with words for people, without secrets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.recovery.acting import OwnStep
from drstack.spec.references import is_reference, shown_command
from drstack.spec.steps import document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.spec.steps import OwnStep as Declared


def own_steps(declared: Mapping[str, Declared]) -> tuple[OwnStep, ...]:
    return tuple(
        OwnStep(
            name=name, kind=step.kind, definition=document(step), after=step.after, before=step.before, on=step.on,
            to=step.to, workloads=step.workloads, when=moments(step), timeout_s=step.timeout_s, tries=step.tries,
            repeatable=step.repeatable, checked=step.check is not None or step.check_http is not None,
            does=lambda target, step=step: does(step, target), undo=step.undo or "",
        )
        for name, step in declared.items()
    )  # fmt: skip


def moments(step: Declared) -> tuple[str, ...]:
    """When a notice is given; a step that has a place among the others has none."""
    if step.notify is None or step.after or step.before:
        return ()
    return step.when or ("begin", "end", "failed")


def does(step: Declared, target: str) -> str:
    """What it does, in words."""
    words = f"wait for a person: {step.wait}"
    if step.shell is not None:
        words = f"run {_short(shown_command(step.shell))}"
    elif step.http is not None:
        words = f"{step.http.method} {_address(step.http.url)}"
    elif step.python is not None:
        words = f"call {step.python}"
    elif step.ansible is not None:
        words = f"run the playbook {step.ansible.playbook}"
    elif step.postgresql is not None:
        words = f"promote PostgreSQL at {step.postgresql.servers.get(target, 'nowhere')}"
    elif step.dns is not None:
        values = ", ".join(step.dns.values.get(target, ("nothing",)))
        words = f"have {step.dns.record} of {step.dns.zone} ({step.dns.type}) be {values}"
    elif step.notify is not None:
        words = "tell " + (
            ", ".join(step.notify.email.to) if step.notify.email else _address(step.notify.webhook or "")
        )
    return words.replace("{target}", target)


def _address(url: str) -> str:
    return "an address that is a secret" if is_reference(url) else _short(url)


def _short(text: str, most: int = 80) -> str:
    one = " ".join(text.split())
    return one if len(one) <= most else one[: most - 1] + "…"
