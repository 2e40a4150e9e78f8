"""What a store does to requests besides answering them: decided purely, from a seed and the request's number."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

Answer = Literal["told", "lost", "503", "cut"]
"""`lost`: done, and the connection ends without an answer. `cut`: half of the body is taken, and nothing is done."""


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one request. A write takes effect `after_s` seconds later, and is answered then, unless its answer is lost."""

    answer: Answer = "told"
    after_s: float = 0.0
    gone: bool = False
    """A write: it is answered as done, and is not."""
    stale: bool = False
    """A read or a listing: as if the newest objects were not there."""
    damage: Literal["none", "truncated", "wrong"] = "none"
    """A read: fewer bytes, or as many others, with headers that agree."""


CALM = Fate()


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares of requests, from 0 to 1. `kinds`: first parts of the keys that it comes over; all where empty."""

    seed: int = 0
    delayed: float = 0.0
    longest_s: float = 0.0
    lost: float = 0.0
    refused: float = 0.0
    """503."""
    cut: float = 0.0
    gone: float = 0.0
    stale: float = 0.0
    truncated: float = 0.0
    wrong: float = 0.0
    kinds: tuple[str, ...] = ()

    def fate(self, verb: str, key: str, number: int) -> Fate:  # noqa: PLR0911 - a list of chances
        """`number`: how many requests came before this one."""
        if self.kinds and key.split("/", 1)[0] not in self.kinds:
            return CALM
        dice = random.Random(f"{self.seed} {verb} {number}")
        fate = CALM
        if dice.random() < self.refused:
            return replace(fate, answer="503")
        if verb == "PUT":
            if dice.random() < self.cut:
                return replace(fate, answer="cut")
            if dice.random() < self.delayed:
                fate = replace(fate, after_s=dice.uniform(0.0, self.longest_s))
            if dice.random() < self.lost:
                fate = replace(fate, answer="lost")
            return replace(fate, gone=dice.random() < self.gone)
        if dice.random() < self.stale:
            return replace(fate, stale=True)
        if verb == "GET" and dice.random() < self.truncated:
            return replace(fate, damage="truncated")
        if verb == "GET" and dice.random() < self.wrong:
            return replace(fate, damage="wrong")
        return fate
