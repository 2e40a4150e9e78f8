"""A store that answers in time or not at all: a dead mount or a black-holed link costs one deadline, not forever."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from replicator.errors import OutcomeUnknown, StoreUnavailable
from replicator.within import Late, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.store import ObjectStore

T = TypeVar("T")


class DeadlineStore:
    """`inner`, with at most `limit_s` for each call. A write without an answer is OutcomeUnknown."""

    def __init__(self, inner: ObjectStore, *, limit_s: float) -> None:
        self._inner = inner
        self._limit_s = limit_s

    @property
    def url(self) -> str:
        return self._inner.url

    def create(self, key: str, body: bytes) -> None:
        try:
            self._within(lambda: self._inner.create(key, body), key)
        except Late as error:
            raise OutcomeUnknown(f"{self.url}: creating {key}: no answer within {self._limit_s:g} s") from error

    def get(self, key: str) -> bytes:
        return self._read(lambda: self._inner.get(key), key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._read(lambda: self._inner.get_range(key, offset, length), key)

    def size(self, key: str) -> int:
        return self._read(lambda: self._inner.size(key), key)

    def list(self, prefix: str) -> Iterator[str]:
        return iter(self._read(lambda: list(self._inner.list(prefix)), prefix))

    def delete(self, key: str) -> None:
        self._read(lambda: self._inner.delete(key), key)

    def _read(self, call: Callable[[], T], key: str) -> T:
        try:
            return self._within(call, key)
        except Late as error:
            raise StoreUnavailable(f"{self.url}: {key}: no answer within {self._limit_s:g} s") from error

    def _within(self, call: Callable[[], T], key: str) -> T:
        return within(self._limit_s, call, name=f"ask {key}")
