"""How fast a destination may be sent to: between its floor and its ceiling, as much as the link carries besides its work.

Pure. Additive increase while answers come as quickly as ever and writes go as fast as allowed; multiplicative decrease
when answers queue, the link falls behind, or a write fails (as TCP does it: Chiu and Jain, 1989).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_STEP = 0.05
"""Of the ceiling, for each write that went well."""
_BACK = 0.7
_FAILED = 0.5
_BEHIND = 0.7
_QUEUED = 2.0
_JITTER_S = 0.05
_FORGETS = 1.01
_LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Sample:
    """A large write: its bytes and seconds, and how long the small request before it took."""

    size_bytes: int
    seconds: float
    answer_s: float | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """Bytes per second. `answers_in_s`: what a small request takes on an idle link, as far as was seen."""

    rate: float
    floor: float
    ceiling: float
    answers_in_s: float | None = None

    @classmethod
    def within(cls, floor: float, ceiling: float) -> Pace:
        """Begins in the middle."""
        return cls(max(floor, ceiling / 2), floor, ceiling)


def adjust(pace: Pace, sample: Sample) -> Pace:
    """The pace after a write."""
    least = max(pace.floor, pace.ceiling * _LEAST)
    known = _idle(pace.answers_in_s, sample.answer_s)
    if sample.failed:
        rate = pace.rate * _FAILED
    elif _congested(pace, sample):
        rate = pace.rate * _BACK
    else:
        rate = pace.rate + pace.ceiling * _STEP
    return replace(pace, rate=min(pace.ceiling, max(least, rate)), answers_in_s=known)


def _congested(pace: Pace, sample: Sample) -> bool:
    known, took = pace.answers_in_s, sample.answer_s
    queued = known is not None and took is not None and took > known * _QUEUED + _JITTER_S
    behind = sample.size_bytes < sample.seconds * pace.rate * _BEHIND
    return queued or behind


def _idle(known: float | None, took: float | None) -> float | None:
    """The least seen, which is slowly forgotten: routes change."""
    if known is None or took is None:
        return took if known is None else known
    return min(known * _FORGETS, took)
