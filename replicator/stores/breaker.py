"""A store that is given up quickly, and left alone for a while: whoever recovers from a lost site must not wait for it.

A call that is about records gets `limit_s`. Once one had no answer in time, all calls fail at once for `rest_s`; then one
is tried again. Packs and manifests may take as long as their bytes need, and are refused while the store rests.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from replicator.errors import OutcomeUnknown, StoreAway, StoreUnavailable
from replicator.stores.aged import aged
from replicator.within import Late, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.aged import Aged
    from replicator.stores.store import ObjectStore

T = TypeVar("T")
REST_S = 30.0
_LARGE = ("packs/", "manifests/")


class BreakerStore:
    """`inner` with `limit_s` seconds for a call, and `rest_s` seconds of rest after one that took longer."""

    def __init__(
        self,
        inner: ObjectStore,
        *,
        limit_s: float,
        rest_s: float = REST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._limit_s = limit_s
        self._rest_s = rest_s
        self._clock = clock
        self._rests_until = float("-inf")
        self._lock = Lock()

    @property
    def url(self) -> str:
        return self._inner.url

    def create(self, key: str, body: bytes) -> None:
        try:
            self._ask(key, lambda: self._inner.create(key, body))
        except Late as error:
            raise OutcomeUnknown(f"{self.url}: creating {key}: no answer within {self._limit_s:g} s") from error

    def get(self, key: str) -> bytes:
        return self._read(key, lambda: self._inner.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._read(key, lambda: self._inner.get_range(key, offset, length))

    def size(self, key: str) -> int:
        return self._read(key, lambda: self._inner.size(key))

    def list(self, prefix: str) -> Iterator[str]:
        return iter(self._read(prefix, lambda: list(self._inner.list(prefix))))

    def aged(self, prefix: str) -> Iterator[Aged]:
        return iter(self._read(prefix, lambda: list(aged(self._inner, prefix))))

    def delete(self, key: str) -> None:
        self._read(key, lambda: self._inner.delete(key))

    def _read(self, key: str, call: Callable[[], T]) -> T:
        try:
            return self._ask(key, call)
        except Late as error:
            raise StoreAway(f"{self.url}: {key}: no answer within {self._limit_s:g} s") from error

    def _ask(self, key: str, call: Callable[[], T]) -> T:
        """Late where there was no answer in time, which begins a rest; StoreAway during one."""
        began = self._clock()
        with self._lock:
            left_s = self._rests_until - began
        if left_s > 0:
            raise StoreAway(f"{self.url}: {key}: it did not answer, and is not asked again for {left_s:.0f} s")
        try:
            return call() if key.startswith(_LARGE) else within(self._limit_s, call, name=f"ask {key}")
        except Late:
            self._rest()
            raise
        except (StoreUnavailable, OutcomeUnknown):
            if self._clock() - began >= self._limit_s:
                self._rest()
            raise

    def _rest(self) -> None:
        with self._lock:
            self._rests_until = self._clock() + self._rest_s
