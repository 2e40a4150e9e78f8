"""A plan with the steps that the environment file declares, under its hash; and consents that are given later."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from drstack.errors import ConsentRequired, EnvironmentUnknown
from drstack.recovery.owning import unfenced
from drstack.recovery.steps import steps_of
from drstack.recovery.weave import part_of, weave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.acting import OwnStep
    from drstack.recovery.plan import Given, Plan
    from drstack.witness.journal import Journal


def with_own(plan: Plan, own: Sequence[OwnStep], given: Given) -> Plan:
    """The plan with its own steps and its notices. StepMisplaced, EnvironmentUnknown, ConsentRequired."""
    occasion = given.reopen or ("workload" if plan.alone else plan.kind)
    moving = [each.name for each in plan.workloads]
    taken = part_of(own, occasion, plan.target, moving)
    require_consent(given.unfenced, [each.name for each in own if each.kind == "postgresql"], given.reason)
    named = [each.name for each in taken]
    return replace(
        plan,
        steps=weave(plan.steps, own, occasion, plan.target, moving),
        consents=(*plan.consents, *(unfenced(name) for name in given.unfenced if name in named)),
        notices=tuple(
            {"name": each.name, "when": list(each.when), "timeout_s": each.timeout_s, "definition": each.definition}
            for each in taken
            if each.when
        ),
    )


def require_consent(names: Sequence[str], known: Sequence[str], reason: str | None) -> None:
    """EnvironmentUnknown for a step that promotes no database, ConsentRequired without a reason."""
    for name in names:
        if name not in known:
            raise EnvironmentUnknown(
                f"no step {name!r} that promotes a database", hint=f"Those that do: {', '.join(known) or 'none'}."
            )
    if names and not reason:
        raise ConsentRequired("promoting a database without a proven fence needs a reason", hint="Add: --reason '…'")


def accept_unfenced(journal: Journal, names: Sequence[str], *, by: str, reason: str | None, at: float) -> None:
    """Record the consent to promote databases without proof that no other takes writes. As `require_consent`."""
    steps = steps_of(journal.plan() or {}) or ()
    known = [str(each.own["name"]) for each in steps if each.own is not None and each.act == "postgresql"]
    require_consent(names, known, reason)
    for name in names:
        kind, value = unfenced(name)
        journal.write("consent", {"kind": kind, "value": value, "by": by, "reason": reason, "at": at})
