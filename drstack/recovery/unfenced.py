"""Whether a database may be promoted: only where it is proved that no other takes writes, or a person said so. Pure.

Seals keep checkpoints safe however well the old site was fenced; they do nothing for a database (DESIGN, rule 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.acting import Context

Other = Literal["writes", "standby", "refused", "silent"]
"""What the server of another site is seen to be: takes writes; follows another; nothing listens there; no answer."""


def objection(context: Context, others: Mapping[str, Other]) -> str | None:
    """Why a database may not be promoted yet; None where it may. `others`: the step's servers at other sites."""
    if context.consented:
        return None
    writing = [site for site, state in others.items() if state == "writes"]
    if writing:
        return f"the server of {', '.join(writing)} still takes writes"
    fenced = context.kind == "promote" and not context.alone
    for site in context.sources:
        state = others.get(site)
        if state == "standby":
            continue  # it says itself that it takes none
        if fenced and context.grades.get(site) == "proven":
            continue
        if context.kind == "switchover" and state == "refused":
            continue  # both sites are well: the machine itself says that nothing listens there
        return f"nothing proves that the server of {site} takes no writes: {_seen(context, site, state)}"
    return None


def _seen(context: Context, site: str, state: Other | None) -> str:
    told = {
        "refused": "nothing listens where it was",
        "silent": "it does not answer",
        None: "the step does not name it",
    }
    grade = context.grades.get(site)
    fence = f"its fence is {grade}" if grade else f"{site} was not fenced"
    if context.alone and context.kind == "promote":
        fence = f"of {site} only workloads were stopped"
    return f"{fence}; {told.get(state, str(state))}"
