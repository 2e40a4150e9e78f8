"""Which clock is right, where an operator's and those of sites disagree. Pure.

An operator's clock dates what is lost and how long things take; checkpoints are dated by those who save them. Invariant:
what most clocks say counts, what is recorded already being one of them against those that are behind it; where as many say
one thing as another the latest counts, so that no loss is understated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

APART_S = 5.0
"""Clocks that differ by no more agree: they are read one after another, some to the second."""


@dataclass(frozen=True, slots=True)
class Timekeeping:
    """`offset_s`: seconds to add to this machine's clock. `apart`: seconds by which each site's that differs is ahead of it."""

    offset_s: float = 0.0
    apart: Mapping[str, float] = field(default_factory=dict[str, float])
    told: tuple[str, ...] = ()
    """What disagrees, and whose time counts, for people."""
    counts: str = ""
    """Of `told`, whose time counts and why; nothing where all agree."""
    dated_ahead_s: float = 0.0
    """How much later than that the newest checkpoint is dated, where that is more than clocks may differ; else 0."""


IN_AGREEMENT = Timekeeping()


def judge_clocks(here: float, sites: Mapping[str, float], dated: Iterable[float] = ()) -> Timekeeping:
    """`here`: what this machine's clock reads; `sites`: those of sites within reach at the same time; `dated`: when what
    is there already was recorded, each by somebody's clock. All unix seconds.
    """  # noqa: D205
    last, clocks = max(dated, default=0.0), {"": here, **sites}
    apart = {name: at - here for name, at in sites.items() if abs(at - here) > APART_S}

    def weight(at: float) -> tuple[int, float]:
        return sum(abs(other - at) <= APART_S for other in clocks.values()) + (at >= last - APART_S), at

    best = max(clocks.values(), key=weight)
    counts = here if abs(best - here) <= APART_S else best
    told, whose, ahead_s = _differences(apart), "", 0.0
    if apart:
        whose = _counts(
            clocks,
            counts,
            tied=weight(here)[0] == weight(best)[0]
            and any(weight(at)[0] == weight(best)[0] and abs(at - best) > APART_S for at in clocks.values()),
        )
        told += (whose,)
    if counts < last - APART_S:
        ahead_s = last - counts
        told += (
            f"the newest checkpoint is dated {_span(ahead_s)} later than that: the clock of who saved it is wrong",
        )
    return Timekeeping(counts - here, apart, told, whose, ahead_s)


def _counts(clocks: Mapping[str, float], counts: float, *, tied: bool) -> str:
    agree = [name or "this machine" for name, at in clocks.items() if abs(at - counts) <= APART_S]
    why = "; no more clocks say one thing than another, and the latest understates no loss" if tied else ""
    return f"the time of {' and '.join(agree)} counts{why}"


def _differences(apart: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(
        f"this machine's clock is {_span(abs(seconds))} {'behind' if seconds > 0 else 'ahead of'} {name}'s"
        for name, seconds in sorted(apart.items())
    )


def _span(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def moment_here(at: float, theirs: float | None, here: float) -> float:
    """A moment that a site dated, by this machine's clock: never in the future. `theirs`: the site's clock, read `here`."""
    apart = 0.0 if theirs is None or abs(theirs - here) <= APART_S else theirs - here
    return min(at - apart, here)
