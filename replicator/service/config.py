"""What a replicator service is told: which folders to watch, which repositories to ship to and to verify.

Whether it is the writer of a workload is not configured: it reads that from the newest `open` of its own site's
repository (DESIGN, rule 10). The file is JSON; every field is named in docs/replicator.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from pathlib import Path


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Destination(Frozen):
    """A repository: the name of its site and its URL."""

    name: str
    url: str


class WatchedWorkload(Frozen):
    name: str
    path: str
    """The folder below which the trainer writes its checkpoints."""
    keep: int = Field(default=20, ge=1)
    """How many checkpoints each repository keeps, pins aside."""
    code: str | None = None
    """A folder of the training program's repository; by default the watched folder lies in it, if anything does."""


class ServiceConfig(Frozen):
    """One replicator at one site."""

    site: str
    own: str
    """Name of the destination that lies at this site: its log says who writes."""
    destinations: tuple[Destination, ...]
    workloads: tuple[WatchedWorkload, ...]
    spool: str
    """A folder on the file system of the watched ones, so that hard links work; survives restarts."""
    status_file: str
    """Where the service writes what it does, as JSON, atomically, about every second."""
    poll_s: float = Field(default=0.2, gt=0)
    quiet_s: float = Field(default=10.0, ge=0)
    """How long a checkpoint must stand unchanged of which nothing says that it is finished."""
    verify_own: bool = True
    """Whether to write `stored` and `decoded` receipts for what arrives in the own repository."""
    verifier: str | None = None
    """The name under which receipts are written; the site's by default."""
    drop_grace_s: float = Field(default=86400.0, ge=0)
    """How long the bytes of a dropped checkpoint stay: longer than the longest push and restore."""


def read_config(path: Path) -> ServiceConfig:
    """The configuration in a JSON file. ReplicatorError names every field that does not hold."""
    try:
        return ServiceConfig.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ReplicatorError(
            f"{path}: no such file", hint="replicator run --config FILE; see docs/replicator.md"
        ) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ReplicatorError(
            f"{path}: {faults}", hint="Mend the fields named; docs/replicator.md lists them."
        ) from error
