"""Bringing one stack up: repaired first if a killed update left it in need of it, then updated.

Decides that nobody updates a stack that was not looked at. Invariant: from the look to the end of the update no
other drstack of this machine works on the stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.reconcile.mend import Mended, mend
from drstack.reconcile.run import CHANGE_TIMEOUT_S, Engine, Outcome
from drstack.reconcile.runs import alone

if TYPE_CHECKING:
    from drstack.reconcile.lookup import Lookup


@dataclass(frozen=True, slots=True)
class Updated:
    """What was repaired, and what the update did."""

    mended: Mended
    outcome: Outcome


def bring_up(
    engine: Engine,
    stack: str,
    *,
    refresh: bool = False,
    lookup: Lookup | None = None,
    timeout_s: float = CHANGE_TIMEOUT_S,
) -> Updated:
    """Repair the stack if need be, then update it. EngineFailed."""
    with alone(engine.local_root, stack):
        repaired = mend(engine, stack, lookup=lookup, timeout_s=timeout_s)
        return Updated(repaired, engine.up(stack, refresh=refresh, timeout_s=timeout_s))
