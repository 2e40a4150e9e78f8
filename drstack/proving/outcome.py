"""How an attempt to prove a checkpoint ended, and what that says about the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["proved", "failed", "withheld", "unknown", "gave way", "not provable"]
"""proved, failed: said of the checkpoint, and a receipt. withheld: the machines are unlike and nothing can be said yet.
unknown: something else than the checkpoint kept it from being tried. gave way: somebody wanted the slot."""
JUDGED: tuple[Result, ...] = ("proved", "failed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`commit` as TERM.HEIGHT; `seconds` from pin to end; `pair` and `greatest` where two sides were compared."""

    result: Result
    reason: str
    workload: str
    commit: str | None
    step: int | None
    seconds: float = 0.0
    pair: str | None = None
    greatest: float | None = None
    settled: bool = False
    """Nothing is left to do: the newest that can be proved is."""
