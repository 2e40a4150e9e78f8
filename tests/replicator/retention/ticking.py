"""A store in memory that makes each object one tick after the one before, and lets others act before each call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import KeyExists, KeyMissing
from replicator.stores.aged import Aged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class TickingStore:
    """Handles made by `handle` share the objects; `between` is called before each call of theirs."""

    def __init__(
        self, objects: dict[str, tuple[int, bytes]], between: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        self.objects = objects
        self._between = between

    @property
    def url(self) -> str:
        return "ticking://"

    def handle(self, between: Callable[[str, str], None]) -> TickingStore:
        return TickingStore(self.objects, between)

    def create(self, key: str, body: bytes) -> None:
        self._between("create", key)
        if key in self.objects:
            raise KeyExists(key)
        self.objects[key] = (max((tick for tick, _ in self.objects.values()), default=0) + 1, bytes(body))

    def get(self, key: str) -> bytes:
        self._between("get", key)
        if key not in self.objects:
            raise KeyMissing(key)
        return self.objects[key][1]

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self.get(key)[offset : offset + length]

    def size(self, key: str) -> int:
        return len(self.get(key))

    def list(self, prefix: str) -> Iterator[str]:
        self._between("list", prefix)
        return iter(sorted(key for key in self.objects if key.startswith(prefix + "/")))

    def aged(self, prefix: str) -> Iterator[Aged]:
        self._between("list", prefix)
        found = [(key, tick, len(body)) for key, (tick, body) in self.objects.items() if key.startswith(prefix + "/")]
        return iter([Aged(*each) for each in found])

    def delete(self, key: str) -> None:
        self._between("delete", key)
        self.objects.pop(key, None)
