"""Keeps writes to a store below a rate, so that replication leaves a link to the work that shares it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.store import ObjectStore


class ThrottledStore:
    """`inner` with creates held to `rate_bytes_per_s` on average; reads pass untouched.

    Each write reserves its time on the link; a write waits until the reservations before it have passed.
    """

    def __init__(
        self,
        inner: ObjectStore,
        *,
        rate_bytes_per_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._inner = inner
        self._rate = rate_bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self._inner.url

    def create(self, key: str, body: bytes) -> None:
        with self._lock:
            now = self._clock()
            starts_at = max(now, self._free_at)
            self._free_at = starts_at + len(body) / self._rate
        if starts_at > now:
            self._sleep(starts_at - now)
        self._inner.create(key, body)

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._inner.get_range(key, offset, length)

    def size(self, key: str) -> int:
        return self._inner.size(key)

    def list(self, prefix: str) -> Iterator[str]:
        return self._inner.list(prefix)

    def delete(self, key: str) -> None:
        self._inner.delete(key)
