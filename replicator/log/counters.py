"""Whose heights are whose, where two were given out alike: runs of heights, each counted by one counter.

A counter is the random id of one process that counts heights. It gives none out twice, so (term, height, counter) names
one content. A term is a few runs however many commits it has, and yet every repository can tell of each commit that it
holds, also of one that nobody else has seen, whether it is the one that stands.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from replicator.model import Frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Run(Frozen):
    """The heights from `first` up to the next run's first are those that `counter` gave out."""

    first: int = Field(ge=1)
    counter: str = Field(min_length=1)


def _in_order(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    firsts = [run.first for run in runs]
    if firsts[:1] != [1] or firsts != sorted(set(firsts)):
        raise ValueError(f"runs begin at heights {firsts}; they must begin at 1 and rise")
    return runs


Runs = Annotated[tuple[Run, ...], AfterValidator(_in_order)]


def runs_of(counted: Mapping[int, str]) -> tuple[Run, ...]:
    """The runs in which counters gave out the heights of a term.

    A height between two that are known belongs to the earlier run: its counter had gone on before the next one began.
    """
    found: list[Run] = []
    for height in sorted(counted):
        if not found or found[-1].counter != counted[height]:
            found.append(Run(first=height if found else 1, counter=counted[height]))
    return tuple(found)


def counter_at(runs: Sequence[Run], height: int) -> str:
    """Who counted `height`, by `runs`, which are not empty."""
    return runs[bisect_right(runs, height, key=lambda run: run.first) - 1].counter
