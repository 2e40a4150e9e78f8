"""A store whose large writes wait for their turn on the site's uplink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.stores.meter import LARGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.service.uplink import Uplink
    from replicator.stores.store import ObjectStore


class ShapedStore:
    """`inner` at `destination`; `deadline_at` says when what is sent now must have arrived (unix s)."""

    def __init__(self, inner: ObjectStore, uplink: Uplink, destination: str, deadline_at: Callable[[], float]) -> None:
        self._inner = inner
        self._uplink = uplink
        self._destination = destination
        self._deadline_at = deadline_at

    @property
    def url(self) -> str:
        return self._inner.url

    def create(self, key: str, body: bytes) -> None:
        if len(body) < LARGE_BYTES:
            self._inner.create(key, body)
            return
        with self._uplink.turn(self._destination, len(body), self._deadline_at()):
            self._inner.create(key, body)

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self._inner.get_range(key, offset, length)

    def size(self, key: str) -> int:
        began = self._uplink.timer()
        try:
            return self._inner.size(key)
        finally:
            self._uplink.answered(self._destination, self._uplink.timer() - began)

    def list(self, prefix: str) -> Iterator[str]:
        return self._inner.list(prefix)

    def delete(self, key: str) -> None:
        self._inner.delete(key)
