"""Which checkpoint to prove next. Pure.

The newest that can be proved, has the receipts below `proved`, is newer than the newest that this verifier has proved,
and has no word of it yet. Invariant: what failed is not tried again by itself, so that a wrong checkpoint costs its
replays once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.proving.evidence import Evidence, NotProvable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from replicator.log.replay import Accepted


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint as the prover sees it. `said`: this verifier's last word, None where it has said nothing."""

    accepted: Accepted
    has_receipts: bool
    said: bool | None
    suspect: bool = False
    """By the last word of people, else by admission."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why there is nothing to prove; `settled` where that is because the newest that can be is."""

    why: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    accepted: Accepted
    evidence: Evidence


def choose(newest_first: Iterable[Point], evidence: Callable[[Accepted], Evidence | NotProvable]) -> Chosen | Nothing:
    """The checkpoint to prove now, or why there is none. Points are looked at no further than needed."""
    why: str | None = None
    failed = False
    for point in newest_first:
        what = point.accepted.what
        if point.said is True:
            newer = f"; {why}" if why else ""
            return Nothing(f"step {what.step} is proved{newer}", settled=not failed)
        if point.suspect or not point.has_receipts:
            why = why or f"step {what.step} {'is suspect' if point.suspect else 'has not all of its receipts yet'}"
            continue
        if point.said is False:
            failed = True
            why = why or f"step {what.step} was tried and failed"
            continue
        found = evidence(point.accepted)
        if isinstance(found, Evidence):
            return Chosen(point.accepted, found)
        why = why or f"step {what.step} is not provable: {found.why}"
    return Nothing(why or "there is no checkpoint")
