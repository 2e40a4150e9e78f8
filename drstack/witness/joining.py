"""One call for all who ask at a time: fifty steps that each ask a far witness wait for two round trips, not for fifty.

Invariant: who asks is answered by a call that was begun after they had asked, and goes on as soon as it has ended.
"""

from __future__ import annotations

from threading import Condition
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
W = TypeVar("W")


class _Place(Generic[W]):
    """A thread's wish in the queue."""

    __slots__ = ("served", "wish")

    def __init__(self, wish: W) -> None:
        self.wish = wish
        self.served = False


class Together(Generic[W]):
    """Hands over what many threads wish for, in batches: one under way at a time, by one of those who wait for it.

    `serve` answers a batch, and raises nothing.
    """

    def __init__(self, serve: Callable[[Sequence[W]], None]) -> None:
        self._serve = serve
        self._changed = Condition()
        self._waiting: list[_Place[W]] = []
        self._under_way = False

    def hand_over(self, wish: W) -> None:
        """Returns once it was served."""
        place, batch, leads = _Place(wish), list[_Place[W]](), False
        try:
            with self._changed:
                self._waiting.append(place)
                while self._under_way and not place.served:
                    self._changed.wait()
                if place.served:
                    return
                leads = self._under_way = True
                batch, self._waiting = self._waiting, []
            self._serve([each.wish for each in batch])
        finally:
            with self._changed:
                if place in self._waiting:  # interrupted before its turn
                    self._waiting.remove(place)
                if leads:
                    for each in batch:
                        each.served = True
                    self._under_way = False
                    self._changed.notify_all()


class _Asked(Generic[T]):
    """One thread's question, and what became of it."""

    __slots__ = ("found", "refusal")

    def __init__(self) -> None:
        self.found: T | None = None
        self.refusal: BaseException | None = None

    def result(self) -> T:
        if self.refusal is not None:
            raise self.refusal
        return cast("T", self.found)


class Joined(Generic[T]):
    """A call that any thread may make; those who ask while it is under way share the next."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._together = Together(self._answer)

    def __call__(self) -> T:
        """What the call returns; raises what it raised, in each thread that waited for it."""
        asked = _Asked[T]()
        self._together.hand_over(asked)
        return asked.result()

    def _answer(self, asked: Sequence[_Asked[T]]) -> None:
        try:
            found = self._call()
            for each in asked:
                each.found = found
        except BaseException as error:  # noqa: BLE001 - raised in each thread that asked
            for each in asked:
                each.refusal = error
