"""Stores as a drill sees the real environment: one that can be read and never written, and one that is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from replicator.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicator.stores.store import ObjectStore


class ReadOnlyStore:
    """Implements `ObjectStore`; whatever would change the store behind it is a StoreError."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def url(self) -> str:
        return self._store.url

    def create(self, key: str, body: bytes) -> None:
        del body
        raise StoreError(f"{self.url}: a drill only reads here, and was about to write {key}")

    def delete(self, key: str) -> None:
        raise StoreError(f"{self.url}: a drill only reads here, and was about to delete {key}")

    def get(self, key: str) -> bytes:
        return self._store.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._store.get_range(key, offset, length)

    def size(self, key: str) -> int:
        return self._store.size(key)

    def list(self, prefix: str) -> Iterator[str]:
        return self._store.list(prefix)


class LostStore:
    """Implements `ObjectStore`: nothing of it answers, as of a site that is gone."""

    def __init__(self, url: str, why: str) -> None:
        self._url = url
        self._why = why

    @property
    def url(self) -> str:
        return self._url

    def create(self, key: str, body: bytes) -> None:
        del key, body
        self._gone()

    def delete(self, key: str) -> None:
        del key
        self._gone()

    def get(self, key: str) -> bytes:
        del key
        self._gone()

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        del key, offset, length
        self._gone()

    def size(self, key: str) -> int:
        del key
        self._gone()

    def list(self, prefix: str) -> Iterator[str]:
        del prefix
        self._gone()

    def _gone(self) -> NoReturn:
        raise StoreUnavailable(f"{self._url}: {self._why}")
