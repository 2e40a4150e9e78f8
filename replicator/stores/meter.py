"""Counts what goes to a store and how it answers: bytes, time, failures by kind, the last contact.

Invariant: what is counted as sent was given to the store, whether or not it arrived or had to be sent again.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from replicator.stores.store import ObjectStore

LARGE_BYTES = 64 * 1024
"""From here on a body's time says something about the link's rate, not only about its delay."""
_SMOOTHING = 0.3


class Meter:
    """What is known of the way to one store. For any number of threads.

    `rate_bytes_per_s`: smoothed over large writes; None before the first, 0 after one that failed.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.sent_bytes = 0
        self.contact_at: float | None = None
        self.rate_bytes_per_s: float | None = None
        self.failures: Counter[str] = Counter()

    def sent(self, size_bytes: int) -> None:
        with self._lock:
            self.sent_bytes += size_bytes

    def answered(self) -> None:
        with self._lock:
            self.contact_at = self._clock()

    def took(self, size_bytes: int, seconds: float) -> None:
        """A large write went through."""
        seen = size_bytes / max(seconds, 1e-6)
        with self._lock:
            before = self.rate_bytes_per_s or seen
            self.rate_bytes_per_s = before + _SMOOTHING * (seen - before)

    def failed(self, kind: str, *, link: bool = False) -> None:
        """`link`: nothing goes through to this store now."""
        with self._lock:
            self.failures[kind] += 1
            if link:
                self.rate_bytes_per_s = 0.0

    def kinds(self) -> dict[str, int]:
        with self._lock:
            return dict(self.failures)


class MeteredStore:
    """`inner`, measured. `timer` counts seconds and never goes back."""

    def __init__(self, inner: ObjectStore, meter: Meter, timer: Callable[[], float]) -> None:
        self._inner = inner
        self._meter = meter
        self._timer = timer

    @property
    def url(self) -> str:
        return self._inner.url

    def create(self, key: str, body: bytes) -> None:
        began = self._timer()
        self._meter.sent(len(body))
        with self._watched():
            self._inner.create(key, body)
            if len(body) >= LARGE_BYTES:
                self._meter.took(len(body), self._timer() - began)

    def get(self, key: str) -> bytes:
        with self._watched():
            return self._inner.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        with self._watched():
            return self._inner.get_range(key, offset, length)

    def size(self, key: str) -> int:
        with self._watched():
            return self._inner.size(key)

    def list(self, prefix: str) -> Iterator[str]:
        with self._watched():
            yield from self._inner.list(prefix)

    def delete(self, key: str) -> None:
        with self._watched():
            self._inner.delete(key)

    @contextmanager
    def _watched(self) -> Generator[None]:
        try:
            yield
        except (KeyExists, KeyMissing):
            self._meter.answered()
            raise
        except StoreError as error:
            self._meter.failed(type(error).__name__, link=isinstance(error, (OutcomeUnknown, StoreUnavailable)))
            raise
        self._meter.answered()
