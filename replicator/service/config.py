"""What a replicator service is told: which folders to watch, which repositories to ship to and to verify.

Whether it is the writer of a workload is not configured: it reads that from the newest `open` of its own site's
repository (DESIGN, rule 10). The file is JSON; every field is named in docs/replicator.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from replicator.admission import DEFAULT, Policy, Reason
from replicator.errors import ReplicatorError
from replicator.json_text import read_json
from replicator.model import Level
from replicator.retention.compaction import CompactionPolicy
from replicator.retention.grace import GRACE_S
from replicator.retention.policy import Policy as Retention
from replicator.retention.tiers import Tier, Tiers

if TYPE_CHECKING:
    from pathlib import Path


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Immutable(Frozen):
    """Everything is put under object lock there, and stays locked while a checkpoint that stands needs it."""

    days: float = Field(gt=0)
    mode: Literal["governance", "compliance"] = "compliance"


class Destination(Frozen):
    """A repository: the name of its site and its URL."""

    name: str
    url: str
    floor_bytes_per_s: float = Field(default=0.0, ge=0)
    """What it gets before others do, and below which it is never slowed."""
    ceiling_bytes_per_s: float | None = Field(default=None, gt=0)
    """The most that is sent to it; below, the rate follows the link. None: as fast as it goes."""

    immutable: Immutable | None = None
    """A bucket of another account; refused where these credentials could shorten or delete, or nobody can tell."""
    storage_class: str | None = Field(default=None, pattern=r"^[A-Z_]+$")
    """Of packs, in S3: STANDARD_IA, GLACIER_IR. None: the bucket's own."""

    @model_validator(mode="after")
    def _floor_below_ceiling(self) -> Destination:
        if self.ceiling_bytes_per_s is not None and self.floor_bytes_per_s > self.ceiling_bytes_per_s:
            raise ValueError(f"floor_bytes_per_s {self.floor_bytes_per_s:g} is above ceiling_bytes_per_s")
        return self


class Admission(Frozen):
    """Which findings make a checkpoint suspect, and how far something must be from its history for that."""

    ignore: tuple[Reason, ...] = ()
    """Reasons that are not looked for."""
    jump_factor: float = Field(default=DEFAULT.jump_factor, gt=1)
    norm_factor: float = Field(default=DEFAULT.norm_factor, gt=1)
    moment_factor: float = Field(default=DEFAULT.moment_factor, gt=1)
    drift_factor: float = Field(default=DEFAULT.drift_factor, gt=1)
    min_elements: int = Field(default=DEFAULT.min_elements, ge=1)

    def policy(self) -> Policy:
        return replace(DEFAULT, off=frozenset(self.ignore), **self.model_dump(exclude={"ignore"}))


class Anchor(Frozen):
    """Where it is kept how far each log reached, outside of all sites."""

    url: str
    """The witness."""
    environment: str
    every_s: float = Field(default=60.0, gt=0)
    """A log that moved is anchored so often, at most; also in the end."""
    every_slots: int = Field(default=16, ge=1)
    """And where it moved by so many entries."""


class Scrub(Frozen):
    """Reading the own repository back: each pack and manifest once in a period."""

    every_s: float = Field(default=7 * 86400.0, gt=0)
    """In so long all of it is read."""
    bytes_per_s: float | None = Field(default=50e6, gt=0)
    """The most that is read, for drills too. None: as fast as it goes."""
    repair: bool = True
    """Whether to put back what is damaged from the other destinations; this service's hand deletes already."""


class Drill(Frozen):
    """Practising the restore of what is at most risk, into a folder that is emptied after."""

    every_s: float = Field(default=86400.0, gt=0)


class WatchedWorkload(Frozen):
    name: str
    path: str
    """The folder below which the trainer writes its checkpoints."""
    keep: Annotated[int, Field(ge=1)] | Retention = 20
    """How many checkpoints each repository keeps, pins aside; or a policy."""
    compact: CompactionPolicy | None = None
    """Which packs the own repository's keeper writes anew, once a day; None: none."""
    admission: Admission = Admission()
    rpo_s: float | None = Field(default=None, ge=0)
    """The recovery point objective, by which metrics judge and destinations are served."""
    receipts: tuple[Level, ...] = Field(default=("stored", "decoded"), min_length=1)
    """Which receipts a commit needs to count as received."""
    code: str | None = None
    """A folder of the training program's repository; by default the watched folder lies in it, if anything does."""
    trains_here: bool = False
    """Whether the trainer runs on this machine with this service's interpreter: versions then name its packages and GPUs."""


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
    keys: str | None = None
    """The folder of the trust file and this site's keys; without, repositories are plain."""
    verifier: str | None = None
    """The name under which receipts are written; the site's by default."""
    uplink_bytes_per_s: float | None = Field(default=None, gt=0)
    """The most that is sent to all destinations together. None: unbounded."""
    hold_file: str | None = None
    """While this file was touched within the last minute nothing large is sent. None: `hold` in the spool."""
    spool_limit_bytes: int | None = Field(default=None, gt=0)
    """Above, the oldest checkpoints that wait are skipped, whole; the newest stays. None: the disk's end."""
    drain_s: float = Field(default=8.0, ge=0)
    """After SIGTERM, how long to go on shipping what waits; the rest stays in the spool."""
    tiers: tuple[Tier, ...] = ()
    """Repositories of this site, hottest first, between which checkpoints are moved by age and use."""
    tier_every_s: float = Field(default=3600.0, gt=0)
    drop_grace_s: float = Field(default=GRACE_S, ge=0)
    """How long the bytes of a dropped checkpoint stay: longer than the longest push and restore."""
    anchor: Anchor | None = None
    """Without, a machine that never looked cannot tell that a log was rolled back."""
    scrub: Scrub | None = None
    """Without, nothing is read back but what arrives."""
    drill: Drill | None = None
    """Without, no restore is practised here."""

    @model_validator(mode="after")
    def _tiers_hold(self) -> ServiceConfig:
        if self.tiers:
            Tiers(tiers=self.tiers)
        return self


class Reread:
    """The configuration in a file, where that was written again since it was last read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._written()

    def __call__(self) -> ServiceConfig | None:
        """None where it is as it was. ReplicatorError, once, where it cannot be read."""
        written = self._written()
        if written == self._seen:
            return None
        self._seen = written
        return None if written is None else read_config(self._path)

    def _written(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


def with_objectives_of(config: ServiceConfig, newer: ServiceConfig) -> ServiceConfig:
    """`config`, but for the objectives, which are taken from `newer` where it names the workload."""
    wanted = {each.name: each.rpo_s for each in newer.workloads}
    told = tuple(each.model_copy(update={"rpo_s": wanted.get(each.name, each.rpo_s)}) for each in config.workloads)
    return config.model_copy(update={"workloads": told})


def needs_restart(before: ServiceConfig, after: ServiceConfig) -> bool:
    """Whether anything changed but objectives, which a service takes up while it runs."""
    return with_objectives_of(before, after) != after


def read_config(path: Path) -> ServiceConfig:
    """The configuration in a JSON file. ReplicatorError names every field that does not hold."""
    try:
        return read_json(ServiceConfig, path.read_bytes())
    except FileNotFoundError as error:
        raise ReplicatorError(
            f"{path}: no such file", hint="replicator run --config FILE; see docs/replicator.md"
        ) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ReplicatorError(
            f"{path}: {faults}", hint="Mend the fields named; docs/replicator.md lists them."
        ) from error
