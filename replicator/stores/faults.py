"""A store with planted faults, for tests and for the demo's negative controls: same interface, chosen trouble.

A fault is decided before (`before`) or after (`after`) the inner call, so that a lost answer, a write that never
arrived and a stop in between are all told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from replicator.stores.aged import aged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicator.stores.aged import Aged
    from replicator.stores.store import ObjectStore


class Faults(Protocol):
    """Raise to make the call fail; `filter` may change what a read returns."""

    def before(self, verb: str, key: str) -> None: ...

    def after(self, verb: str, key: str) -> None: ...

    def filter(self, key: str, body: bytes) -> bytes: ...


class FaultyStore:
    def __init__(self, inner: ObjectStore, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    @property
    def url(self) -> str:
        return self._inner.url

    def create(self, key: str, body: bytes) -> None:
        self._faults.before("create", key)
        self._inner.create(key, body)
        self._faults.after("create", key)

    def get(self, key: str) -> bytes:
        self._faults.before("get", key)
        return self._faults.filter(key, self._inner.get(key))

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        self._faults.before("get", key)
        return self._faults.filter(key, self._inner.get_range(key, offset, length))

    def size(self, key: str) -> int:
        self._faults.before("size", key)
        return self._inner.size(key)

    def list(self, prefix: str) -> Iterator[str]:
        self._faults.before("list", prefix)
        return self._inner.list(prefix)

    def aged(self, prefix: str) -> Iterator[Aged]:
        self._faults.before("list", prefix)
        return aged(self._inner, prefix)

    def delete(self, key: str) -> None:
        self._faults.before("delete", key)
        self._inner.delete(key)
        self._faults.after("delete", key)
