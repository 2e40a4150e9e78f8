"""A database held at one point: every query and the dump see the same rows, while others go on writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Database(Protocol):
    """`begin` fixes the point, `end` lets go of it; both may be called again. Rows are text, as the server shows them."""

    def begin(self) -> None: ...
    def query(self, sql: str) -> list[tuple[str, ...]]: ...
    def facts(self) -> dict[str, str]: ...
    def dump(self, into: Path) -> str:
        """Write the point to a file in the folder; its name."""
        ...

    def load(self, folder: Path) -> None:
        """Fill an empty database from a dump in the folder, completely or not at all."""
        ...

    def end(self) -> None: ...


def one(rows: Sequence[Sequence[str]]) -> str:
    return rows[0][0] if rows and rows[0] else ""
