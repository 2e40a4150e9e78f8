"""When a repository is read back, how much of it, and when a restore is practised. Pure; times in unix seconds.

A round of scrubbing is spread over its period, so that it never asks for more than its share; what is late is said to be
overdue rather than hurried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replicator.repository.scrub import Place

_SPREAD = 0.9
"""Of the period, in which a round is to be through."""
_PATIENCE = 1.5
"""Periods without a whole round, or without a drill, after which it is overdue."""


def scrub_due_bytes(place: Place, total_bytes: int, *, now: float, every_s: float) -> int:
    """How much is to be read now; at least one object where it is more than 0."""
    resting = not place.after
    if resting and place.ended_at is not None and place.began_at <= now < place.began_at + every_s:
        return 0
    if resting:
        return 1
    elapsed_s = max(0.0, now - place.began_at)
    wanted = total_bytes * min(1.0, elapsed_s / (every_s * _SPREAD))
    late = int(wanted) - place.read_bytes
    return max(late, 1) if elapsed_s >= every_s * _SPREAD else max(late, 0)


def scrub_overdue(place: Place, *, now: float, every_s: float) -> bool:
    """Whether nobody read all of it for too long; not before it had the time to."""
    since = place.ended_at if place.ended_at is not None else place.began_at
    return bool(since) and now - since > _PATIENCE * every_s


def drill_due(since: float | None, *, now: float, every_s: float) -> bool:
    """`since`: when one last ended, or there first was anything to drill; None: there is nothing."""
    return since is not None and not since <= now < since + every_s


def drill_overdue(since: float | None, *, now: float, every_s: float) -> bool:
    return since is not None and now - since > _PATIENCE * every_s


def least_rate(total_bytes: int, every_s: float) -> float:
    """Bytes per second below which a round does not end within its period."""
    return total_bytes / (every_s * _SPREAD)
