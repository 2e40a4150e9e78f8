"""PostgreSQL at one point: a transaction that exports its snapshot, and pg_dump of just that snapshot.

Writers are not stopped: the snapshot is what they had committed when it was taken. The server is named as libpq is
told, by PG… variables, a service or a password file: no password is in any argument, setting or record.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.consistency.psql import Session
from replicator.consistency.system import Kept
from replicator.errors import PointNotMade
from replicator.versions.asking import Unknown, ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DUMP = "postgres.dump"
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SERVER = (
    "SELECT current_setting('server_version'), current_database(), extract(epoch from transaction_timestamp()), "
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
)


@dataclass(slots=True)
class Postgres:
    """The database that `connection` (PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE, PGPASSFILE) names, above the
    environment. As a system of its own it keeps the dump; within another it keeps both at one point.
    """  # noqa: D205

    connection: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout_s: float = 120.0
    name: str = "postgres"
    kind: str = "postgres"
    bin: str = ""
    """The folder of psql, pg_dump and pg_restore; the PATH's by default."""
    _session: Session | None = None
    _snapshot: str | None = None
    _facts: dict[str, str] = field(default_factory=dict[str, str])

    def quiesce(self) -> None:
        self.begin()

    def keep(self, into: Path) -> Kept:
        name = self.dump(into)
        return Kept(f"{name}, {(into / name).stat().st_size:,} bytes", self.facts())

    def release(self) -> None:
        self.end()

    def begin(self) -> None:
        self.end()
        self._session = Session([self._program("psql")], self._environment(), self.timeout_s)
        self._session.ask(_BEGIN)
        [(snapshot,)] = self._session.ask("SELECT pg_export_snapshot()")
        if not re.fullmatch(r"[0-9A-F-]+", snapshot):
            raise PointNotMade(f"the server named its snapshot {snapshot!r}")
        self._snapshot = snapshot
        [(version, database, at, position)] = self._session.ask(_SERVER)
        self._facts = {"server": version, "database": database, "at": at, "wal": position}

    def query(self, sql: str) -> list[tuple[str, ...]]:
        if self._session is None:
            raise PointNotMade("no transaction is open")
        return self._session.ask(sql)

    def facts(self) -> dict[str, str]:
        return dict(self._facts)

    def dump(self, into: Path) -> str:
        if self._snapshot is None:
            raise PointNotMade("no snapshot is held")
        self._command(
            "pg_dump", f"--snapshot={self._snapshot}", "--format=custom", "--no-owner", "--no-privileges",
            f"--file={into / DUMP}",
        )  # fmt: skip
        return DUMP

    def load(self, folder: Path) -> None:
        database = self._environment().get("PGDATABASE", "postgres")
        self._command(
            "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges",
            f"--dbname={database}", str(folder / DUMP),
        )  # fmt: skip

    def end(self) -> None:
        session, self._session, self._snapshot = self._session, None, None
        if session is not None:
            session.close()

    def _command(self, program: str, *arguments: str) -> None:
        try:
            ask(
                [self._program(program), "--no-password", *arguments], timeout_s=self.timeout_s, env=self._environment()
            )
        except Unknown as why:
            raise PointNotMade(str(why)) from why

    def _program(self, name: str) -> str:
        return os.path.join(self.bin, name) if self.bin else name  # noqa: PTH118 - a name alone is looked up in PATH

    def _environment(self) -> dict[str, str]:
        return {"PGCONNECT_TIMEOUT": "10", **os.environ, **self.connection, "PGAPPNAME": "drstack"}
