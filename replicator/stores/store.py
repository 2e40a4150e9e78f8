"""What the replicator asks of a store of objects: one writing primitive, create-only.

Nothing is ever overwritten. `create` either makes the object with exactly these bytes, or says why not;
when nobody can know, it says that too (OutcomeUnknown), and the caller reads before it decides.
`replicator.log.claim` is the one place that does so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from replicator.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_KEY = 900
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)*")


class ObjectStore(Protocol):
    """A store of immutable objects under `/`-separated keys.

    Every method raises StoreUnavailable when the store did not answer in time, and StoreError for the rest.
    """

    @property
    def url(self) -> str: ...

    def create(self, key: str, body: bytes) -> None:
        """Make the object durable, its checksum confirmed by the store. KeyExists, OutcomeUnknown."""
        ...

    def get(self, key: str) -> bytes:
        """The whole object. KeyMissing."""
        ...

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer only at the object's end, none beyond it. KeyMissing."""
        ...

    def size(self, key: str) -> int:
        """The object's size in bytes. KeyMissing."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Keys below `prefix/`, in no promised order. A hint: it may lag behind `get`."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; no error where there is none. Only a keeper calls it."""
        ...


def check_key(key: str) -> str:
    """The key itself, if it is one that every store takes; StoreError otherwise."""
    if len(key) > _LONGEST_KEY or not _KEY.fullmatch(key):
        raise StoreError(f"{key!r} is not a key: letters, digits, '.', '_', '@', '-' between single '/'")
    return key
