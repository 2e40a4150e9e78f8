"""Calls that wait for stores, side by side: far ones answer in tens of milliseconds, and recovery asks hundreds of times."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
AT_ONCE = 32


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each call returns, in their order. All are ended before the first error, in their order, is raised."""
    if len(calls) <= 1:
        return [call() for call in calls]
    with ThreadPoolExecutor(min(AT_ONCE, len(calls)), thread_name_prefix="beside") as pool:
        futures = [pool.submit(call) for call in calls]
    return [future.result() for future in futures]


def in_turn(calls: Sequence[Callable[[], T]]) -> list[T]:
    """As `side_by_side`, one after another: for stores that answer sooner than threads take turns."""
    return [call() for call in calls]
