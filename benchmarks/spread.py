"""What several rounds say together: minimum, median and maximum, and ratios taken within each round.

In a round every contestant runs once, and the order moves on from round to round, so that a machine that gets slower or
busier does so for all of them.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.measure import Run

Round = dict[str, "Run"]


@dataclass(frozen=True, slots=True)
class Spread:
    low: float
    median: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """ValueError if there are none."""
        ordered = sorted(values)
        if not ordered:
            raise ValueError("nothing was measured")
        return cls(ordered[0], statistics.median(ordered), ordered[-1], len(ordered))


def rounds(contestants: Mapping[str, Callable[[], Run]], count: int, *, warm_up: int = 0) -> list[Round]:
    """`count` rounds that are counted, after those that are not."""
    names = list(contestants)
    done: list[Round] = []
    for number in range(warm_up + count):
        turn = number % len(names)
        done.append({name: contestants[name]() for name in (*names[turn:], *names[:turn])})
    return done[warm_up:]


def speed_ratio(done: Sequence[Round], ours: str, theirs: str) -> Spread:
    """How many times as fast `ours` was as `theirs`, round by round."""
    return Spread.of(each[theirs].wall_s / each[ours].wall_s for each in done)


def byte_ratio(done: Sequence[Round], ours: str, theirs: str) -> Spread:
    """How many of their bytes ours stored, as a fraction; infinite where they stored none and we some."""
    return Spread.of(_fraction(each[ours].stored_bytes, each[theirs].stored_bytes) for each in done)


def _fraction(ours: int, theirs: int) -> float:
    if theirs:
        return ours / theirs
    return float("inf") if ours else 1.0


def wall(done: Sequence[Round], name: str) -> Spread:
    return Spread.of(each[name].wall_s for each in done)


def cpu(done: Sequence[Round], name: str) -> Spread:
    return Spread.of(each[name].cpu_s for each in done)


def stored(done: Sequence[Round], name: str) -> Spread:
    return Spread.of(float(each[name].stored_bytes) for each in done)


def peak(done: Sequence[Round], name: str) -> Spread:
    return Spread.of(float(each[name].peak_bytes) for each in done)
