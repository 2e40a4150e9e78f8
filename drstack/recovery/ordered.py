"""Acting at a site in the order of assignments and operations: whoever set out before its last fence is refused by the site.

Invariant: a fence that the witness knows is never passed. One that it does not know is of a witness that was lost: a fence is
journalled before it is made, so that of one that counts, the witness has the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from drstack.errors import FencedSince
from drstack.recovery.operation import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.witness.witness import Witness

T = TypeVar("T")


def in_order(witness: Witness, order: str | None, act: Callable[[str | None], T]) -> T:
    """What `act` returns at this order (as of `Site`). FencedSince, WitnessUnreachable."""
    while True:
        try:
            return act(order)
        except FencedSince as error:
            if witness.journal(*parse(error.operation)).records():
                raise
            order = error.operation
