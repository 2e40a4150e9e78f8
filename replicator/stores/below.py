"""A part of a store: keys below one prefix, as a store of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicator.stores.store import ObjectStore


class BelowStore:
    """What lies below `prefix/` in `inner`. As the inner store raises."""

    def __init__(self, inner: ObjectStore, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    @property
    def url(self) -> str:
        return f"{self._inner.url}#{self._prefix}"

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if key else self._prefix

    def create(self, key: str, body: bytes) -> None:
        self._inner.create(self._key(key), body)

    def get(self, key: str) -> bytes:
        return self._inner.get(self._key(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._inner.get_range(self._key(key), offset, length)

    def size(self, key: str) -> int:
        return self._inner.size(self._key(key))

    def list(self, prefix: str) -> Iterator[str]:
        for key in self._inner.list(self._key(prefix)):
            yield key.removeprefix(f"{self._prefix}/")

    def delete(self, key: str) -> None:
        self._inner.delete(self._key(key))
