"""Calls that wait for stores, side by side: far ones answer in tens of milliseconds, and recovery asks hundreds of times."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
P = ParamSpec("P")
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


class InTurn(Executor):
    """Makes each call as it is handed over, in the caller's thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - raised by whoever asks for the result
            future.set_exception(error)
        return future


def threads(most: int, *, one_by_one: bool) -> Executor:
    """At most so many calls at a time; `one_by_one`: in the caller's thread."""
    return InTurn() if one_by_one else ThreadPoolExecutor(most)
