"""Which packs and manifests the encodings that count name, and which were let go of. Pure.

What no checkpoint that stands names any more may have been removed, whenever its grace ended: nothing may name it again.
It is judged from the first entry on that replaces an encoding or brings a dropped checkpoint back; no older log has one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.model import Where


def names(where: Where) -> set[str]:
    """Digests of what an encoding needs."""
    return {where.manifest.digest, *(pack.digest for pack in where.packs)}


class Naming:
    def __init__(self, standing: Iterable[Where], gone: Iterable[Where]) -> None:
        """`gone`: every encoding that stood and does not any more."""
        self._count: Counter[str] = Counter()
        for where in standing:
            self.take(where)
        self._let_go = {name for where in gone for name in names(where)} - self._count.keys()

    @property
    def let_go(self) -> frozenset[str]:
        return frozenset(self._let_go)

    def lost(self, where: Where) -> str | None:
        """Something that `where` names and that was let go of; None if nothing was."""
        return min(self._let_go & names(where), default=None)

    def take(self, where: Where) -> None:
        self._count.update(names(where))

    def leave(self, where: Where) -> None:
        for name in names(where):
            self._count[name] -= 1
            if not self._count[name]:
                del self._count[name]
                self._let_go.add(name)
