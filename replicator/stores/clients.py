"""How long a request may take: as long as its bytes need at the slowest rate that counts as working.

A pack over a slow link needs minutes, a record that is not answered within seconds never will be. A client of
obstore has one limit for whatever it sends, so there is one client for each class of sizes, made when first needed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ClientConfig, RetryConfig

MIB = 1024 * 1024
_CONNECT_S = 5.0
_SMALL = MIB
_LARGEST_READ = 256 * MIB

Store = TypeVar("Store")


@dataclass(frozen=True, slots=True)
class Patience:
    """`answer_s` without an answer, or with nothing read, is too long; bytes get the time that they need on top.

    A write slower than `slowest_bytes_per_s` (by default 1 Mbit/s, for each request) is given up.
    """

    answer_s: float = 30.0
    slowest_bytes_per_s: float = 128 * 1024
    small_bytes: int = _SMALL

    def limit_s(self, size_bytes: int) -> float:
        """The limit on a whole request that carries so many bytes, rounded up to its class of sizes."""
        return self.answer_s + self.class_of(size_bytes) / self.slowest_bytes_per_s

    def class_of(self, size_bytes: int) -> int:
        """The least size among `small_bytes` times a power of four that holds so many bytes; 0 for the first."""
        if size_bytes <= self.small_bytes:
            return 0
        ceiling = self.small_bytes
        while ceiling < size_bytes:
            ceiling *= 4
        return ceiling


class Clients(Generic[Store]):
    """Clients of one bucket, by what they are for. `make` gives one with these limits."""

    def __init__(self, make: Callable[[ClientConfig, RetryConfig], Store], patience: Patience) -> None:
        self._make = make
        self._patience = patience
        self._made: dict[int | Literal["reading"], Store] = {}
        self._lock = threading.Lock()

    def writing(self, size_bytes: int) -> Store:
        """For a request that sends so many bytes."""
        kind = self._patience.class_of(size_bytes)
        return self._of(kind, {"timeout": _duration(self._patience.limit_s(size_bytes))})

    def reading(self) -> Store:
        """For answers of any size: given up when `answer_s` passes without a byte."""
        whole_s = self._patience.answer_s + _LARGEST_READ / self._patience.slowest_bytes_per_s
        return self._of("reading", {"timeout": _duration(whole_s), "read_timeout": _duration(self._patience.answer_s)})

    def _of(self, kind: int | Literal["reading"], limits: ClientConfig) -> Store:
        with self._lock:
            if kind not in self._made:
                retries: RetryConfig = {
                    "max_retries": 3, "retry_timeout": timedelta(seconds=self._patience.answer_s),
                }  # fmt: skip
                self._made[kind] = self._make({"connect_timeout": _duration(_CONNECT_S), **limits}, retries)
            return self._made[kind]


def _duration(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
