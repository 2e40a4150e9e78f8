"""Which operations were begun without a person, and the one that has not ended. Reads journals, each of the past ones once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drstack.automatic.judge import Running
from drstack.recovery.operation import unfinished

if TYPE_CHECKING:
    from drstack.witness.witness import Witness

_BY = re.compile(r"automatic \((.+)\)")
_OPEN = 2
"""Operations are begun on the newest assignment, or on the one before it by whoever has not seen it."""


def signed(observer: str) -> str:
    """How an operation names the observer that began it."""
    return f"automatic ({observer})"


class Past:
    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._began: dict[int, list[float]] = {}

    def ages_s(self, now: float) -> tuple[float, ...]:
        """How long ago each promotion without a person was begun; `now` in unix seconds."""
        newest = len(self._witness.assignments())
        for base in range(newest + 1):
            if base not in self._began or base > newest - _OPEN:
                plans = [journal.plan() or {} for journal in self._witness.journals(base)]
                self._began[base] = [
                    float(plan["began_at"]) for plan in plans if _BY.fullmatch(str(plan.get("by", "")))
                ]
        return tuple(now - began for every in self._began.values() for began in every)

    def running(self, tried: dict[str, int]) -> Running | None:
        """`tried`: how often this observer took up which operation."""
        journal = unfinished(self._witness)
        if journal is None:
            return None
        by = _BY.fullmatch(str((journal.plan() or {}).get("by", "")))
        return Running(
            journal.identity, by[1] if by else None, journal.paused() is not None, tried.get(journal.identity, 0)
        )
