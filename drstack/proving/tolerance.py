"""How far losses of two unlike machines may be apart, learnt from replays of the same pair before. Pure.

Invariant: nothing is allowed that fewer than LEAST different checkpoints have shown, and never more than MOST: a pair
that differs so much cannot tell a sound checkpoint from a damaged one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LEAST, MOST = 5, 1e-2
OUTLIER, MARGIN = 8.0, 4.0


@dataclass(frozen=True, slots=True)
class Observation:
    """One replay: between which pair, of which checkpoint, and the greatest relative difference seen."""

    pair: str
    commit: str
    greatest: float


def pair_of(logged: Mapping[str, str], replayed: Mapping[str, str]) -> str:
    """The pair's name: both sides' versions, as canonical JSON."""
    return json.dumps([dict(logged), dict(replayed)], sort_keys=True, separators=(",", ":"))


def learn(past: Iterable[Observation], pair: str) -> float | None:
    """The relative difference to allow: MARGIN times the greatest seen, outliers left out. None: too little is known.

    A checkpoint counts once, as it was seen last. An outlier is further from zero than OUTLIER times the median.
    """
    seen = {each.commit: each.greatest for each in past if each.pair == pair and math.isfinite(each.greatest)}
    if len(seen) < LEAST:
        return None
    middle = median(seen.values())
    usual = [each for each in seen.values() if each <= OUTLIER * middle]
    allowed = MARGIN * max(usual)
    return allowed if allowed <= MOST else None
