"""Calls that wait for stores, side by side: far ones answer in tens of milliseconds, and recovery asks hundreds of times."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from functools import cache, partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
P = ParamSpec("P")
AT_ONCE = 64
_SHARED = 128
"""Threads that wait for stores in a process, whoever asks: to begin one costs more than a near store takes."""


@cache
def _shared() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_SHARED, thread_name_prefix="beside")


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each call returns, in their order. All are ended before the first error, in their order, is raised.

    A call may do the same: who waits makes those that no thread has begun itself, so that none waits for a free thread.
    """
    futures = [_shared().submit(call) for call in calls[1:]]
    ended = [_made_here(call) for call in calls[:1]]
    ended += [_made_here(call) if future.cancel() else future for call, future in zip(calls[1:], futures, strict=True)]
    wait(ended)
    return [future.result() for future in ended]


def _made_here(call: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(call())
    except Exception as error:  # noqa: BLE001 - raised by whoever asks for the result
        future.set_exception(error)
    return future


def in_turn(calls: Sequence[Callable[[], T]]) -> list[T]:
    """As `side_by_side`, one after another: for stores that answer sooner than threads take turns."""
    return [call() for call in calls]


class InTurn(Executor):
    """Makes each call as it is handed over, in the caller's thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return _made_here(partial(fn, *args, **kwargs))


def threads(most: int, *, one_by_one: bool) -> Executor:
    """At most so many calls at a time; `one_by_one`: in the caller's thread."""
    return InTurn() if one_by_one else ThreadPoolExecutor(most)
