"""SQLite at one point: a read transaction, and a copy of just what it sees, by SQLite's own backup."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import PointNotMade

if TYPE_CHECKING:
    from pathlib import Path

DUMP = "sqlite.db"


@dataclass(slots=True)
class Sqlite:
    """The database in the file `path`. Others may write meanwhile in WAL mode; else they wait until the point is over."""

    path: Path
    _connection: sqlite3.Connection | None = None

    def begin(self) -> None:
        self.end()
        if not self.path.is_file():
            raise PointNotMade(f"{self.path} is no database")
        self._connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=10,
        )
        self._ask("BEGIN")
        self._ask("SELECT count(*) FROM sqlite_master")  # the transaction holds its point from the first read on

    def query(self, sql: str) -> list[tuple[str, ...]]:
        return [tuple("" if cell is None else str(cell) for cell in row) for row in self._ask(sql)]

    def facts(self) -> dict[str, str]:
        return {"server": f"sqlite {sqlite3.sqlite_version}"}

    def dump(self, into: Path) -> str:
        if self._connection is None:
            raise PointNotMade("no transaction is open")
        copy = sqlite3.connect(into / DUMP)
        try:
            self._connection.backup(copy)
        except sqlite3.Error as error:
            raise PointNotMade(f"{self.path}: {error}") from error
        finally:
            copy.close()
        return DUMP

    def load(self, folder: Path) -> None:
        if self.path.exists():
            raise PointNotMade(f"{self.path} is there already", hint="Name an absent file.")
        staged = self.path.with_name(f".{self.path.name}.loading")
        shutil.copyfile(folder / DUMP, staged)
        staged.rename(self.path)

    def end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, sql: str) -> list[tuple[object, ...]]:
        if self._connection is None:
            raise PointNotMade("no transaction is open")
        try:
            return self._connection.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise PointNotMade(f"{self.path}: {error}") from error
