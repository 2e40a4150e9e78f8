"""Tries again what may be tried again: reads and deletes. A create's unknown outcome is the caller's to read back.

A store that was given up is not asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from replicator.errors import StoreAway, StoreUnavailable
from replicator.lines import ready
from replicator.stores.aged import aged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.aged import Aged
    from replicator.stores.store import ObjectStore

T = TypeVar("T")


class RetryingStore:
    """`inner` with up to `attempts` tries, `within_s` seconds at most; the first wait is `wait_s` to twice that."""

    def __init__(self, inner: ObjectStore, *, attempts: int = 4, within_s: float = 30.0, wait_s: float = 0.5) -> None:
        self._inner = inner
        self._attempts = attempts
        self._within_s = within_s
        self._wait_s = wait_s

    @property
    def url(self) -> str:
        return self._inner.url

    def create(self, key: str, body: bytes) -> None:
        self._inner.create(key, body)

    def get(self, key: str) -> bytes:
        return self._again(lambda: self._inner.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._again(lambda: self._inner.get_range(key, offset, length))

    def size(self, key: str) -> int:
        return self._again(lambda: self._inner.size(key))

    def list(self, prefix: str) -> Iterator[str]:
        return iter(self._again(lambda: list(self._inner.list(prefix))))

    def aged(self, prefix: str) -> Iterator[Aged]:
        return iter(self._again(lambda: list(aged(self._inner, prefix))))

    def delete(self, key: str) -> None:
        self._again(lambda: self._inner.delete(key))

    def _again(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except StoreAway:
            raise
        except StoreUnavailable as error:
            first = error
        ready()
        import stamina  # noqa: PLC0415 - takes long to load, and nearly every call is answered at once

        for attempt in stamina.retry_context(
            on=_passing,
            attempts=self._attempts,
            timeout=self._within_s,
            wait_initial=self._wait_s,
            wait_jitter=self._wait_s,
        ):
            with attempt:
                if attempt.num == 1:
                    raise first
                return call()
        raise AssertionError("stamina raises after the last attempt")


def _passing(error: Exception) -> bool:
    return isinstance(error, StoreUnavailable) and not isinstance(error, StoreAway)
