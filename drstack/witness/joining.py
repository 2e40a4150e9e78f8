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


class Together(Generic[W]):
    """Hands over what many threads wish for, in batches: one under way at a time, by one of those who wait for it.

    `serve` answers a batch, and raises nothing.
    """

    def __init__(self, serve: Callable[[Sequence[W]], None]) -> None:
        self._serve = serve
        self._changed = Condition()
        self._waiting: list[W] = []
        self._under_way = False
        self._served: set[int] = set()

    def hand_over(self, wish: W) -> None:
        """Returns once it was served."""
        with self._changed:
            self._waiting.append(wish)
            while self._under_way and id(wish) not in self._served:
                self._changed.wait()
            if id(wish) in self._served:
                self._served.remove(id(wish))
                return
            batch, self._waiting, self._under_way = self._waiting, [], True
        try:
            self._serve(batch)
        finally:
            with self._changed:
                self._served |= {id(each) for each in batch if each is not wish}
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
