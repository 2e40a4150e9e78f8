"""A file that names the systems of a consistent point, as `replicator push --point FILE` reads it (docs/consistency.md).

No secret can stand in it: a server is named as libpq is told, and its password is in a password file or the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from replicator.consistency.hooks import Commands
from replicator.consistency.mlflow import Mlflow
from replicator.consistency.postgres import Postgres
from replicator.consistency.sqlite import Sqlite
from replicator.consistency.volumes import Btrfs, CsiGroup, Lvm, Volumes, Zfs
from replicator.errors import ReplicatorError
from replicator.json_text import read_json

if TYPE_CHECKING:
    from replicator.consistency.system import System

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Seconds = Annotated[float, Field(gt=0)]
Connection = dict[
    Literal["PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGSSLMODE",
            "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"], str
]  # fmt: skip


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CommandsEntry(Section):
    kind: Literal["commands"]
    name: Name
    before: tuple[str, ...] = ()
    snapshot: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    timeout_s: Seconds = 30.0

    def system(self) -> System:
        return Commands(self.name, self.before, self.snapshot, self.after, self.timeout_s)


class PostgresEntry(Section):
    kind: Literal["postgres"]
    name: Name = "postgres"
    connection: Connection = Field(default_factory=dict)
    timeout_s: Seconds = 120.0

    def system(self) -> System:
        return Postgres({**self.connection}, timeout_s=self.timeout_s, name=self.name)


class MlflowEntry(Section):
    """`postgres`: its connection, or `sqlite`: its file. `root`: how rows name the artefacts' folder."""

    kind: Literal["mlflow"]
    name: Name = "mlflow"
    artifacts: str
    root: str | None = None
    postgres: Connection | None = None
    sqlite: str | None = None
    timeout_s: Seconds = 300.0

    @model_validator(mode="after")
    def _one_database(self) -> MlflowEntry:
        if (self.postgres is None) == (self.sqlite is None):
            raise ValueError("give postgres or sqlite")
        return self

    def system(self) -> System:
        database = Sqlite(Path(self.sqlite)) if self.sqlite else _postgres(self.postgres, self.timeout_s)
        return Mlflow(database, Path(self.artifacts), self.root, timeout_s=self.timeout_s, name=self.name)


def _postgres(connection: Connection | None, timeout_s: float) -> Postgres:
    given = {str(name): value for name, value in connection.items()} if connection else dict[str, str]()
    return Postgres(given, timeout_s=timeout_s)


class ZfsEntry(Section):
    kind: Literal["zfs"]
    name: Name
    datasets: tuple[str, ...] = Field(min_length=1)

    def system(self) -> System:
        return Volumes(self.name, Zfs(self.datasets))


class BtrfsEntry(Section):
    kind: Literal["btrfs"]
    name: Name
    subvolume: str
    into: str

    def system(self) -> System:
        return Volumes(self.name, Btrfs(self.subvolume, self.into))


class LvmEntry(Section):
    kind: Literal["lvm"]
    name: Name
    volumes: tuple[Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")], ...] = Field(min_length=1)
    extents: str | None = None

    def system(self) -> System:
        return Volumes(self.name, Lvm(self.volumes, self.extents))


class CsiEntry(Section):
    kind: Literal["csi"]
    name: Name
    namespace: str
    snapshot_class: str
    labels: dict[str, str] = Field(min_length=1)
    api: str = "groupsnapshot.storage.k8s.io/v1beta1"

    def system(self) -> System:
        return Volumes(self.name, CsiGroup(self.namespace, self.snapshot_class, tuple(self.labels.items()), self.api))


Entry = Annotated[
    CommandsEntry | PostgresEntry | MlflowEntry | ZfsEntry | BtrfsEntry | LvmEntry | CsiEntry,
    Field(discriminator="kind"),
]


class PointFile(Section):
    systems: tuple[Entry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> PointFile:
        names = [each.name for each in self.systems]
        if len(set(names)) < len(names):
            raise ValueError(f"two systems are called the same: {', '.join(sorted(names))}")
        return self


def read_point(path: Path) -> list[System]:
    """The systems in a JSON file. ReplicatorError names every field that does not hold; no value of one is shown."""
    try:
        found = read_json(PointFile, path.read_bytes())
    except OSError as error:
        raise ReplicatorError(f"{path}: {error.strerror or error}", hint="See docs/consistency.md.") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ReplicatorError(
            f"{path}: {faults}", hint="Mend the fields named; docs/consistency.md lists them."
        ) from error
    return [entry.system() for entry in found.systems]
