"""What a keeper asks of a store besides: when each object was made, by the store's own clock.

Apart from `ObjectStore`, because nobody but a keeper may decide anything by it. Times of one store compare with each other
only, never with a clock elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from replicator.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicator.stores.store import ObjectStore


class Aged(NamedTuple):
    """An object; `modified_at` in unix seconds of its store."""

    key: str
    modified_at: float
    size_bytes: int


@runtime_checkable
class AgedStore(Protocol):
    def aged(self, prefix: str) -> Iterator[Aged]:
        """Objects below `prefix/`, in no promised order. A hint, as LIST is. StoreUnavailable."""
        ...


@runtime_checkable
class StagingStore(Protocol):
    def unstage(self, before: float) -> int:
        """Remove what killed writers left half written before that time (unix seconds). Returns how many."""
        ...


def aged(store: ObjectStore, prefix: str) -> Iterator[Aged]:
    """StoreError where the store cannot tell ages."""
    if not isinstance(store, AgedStore):
        raise StoreError(f"{store.url}: this store does not say when its objects were made")
    return store.aged(prefix)
