"""Until when a local site may run what trains there: `run/leases.json`, written by its holder, heeded by its slots.

Times are of this machine's clock since it started, which nobody sets and which goes on while it sleeps. Invariant: where
leases are on, doubt of any kind is no lease: another start of the machine, a file that cannot be read, a site that is gone.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drstack.errors import ActuatorFailed
from drstack.platforms.local.atomic import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.platforms.local.folder import SiteFolder

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class HolderConfig(BaseModel):
    """What the holder of a site's leases is told; docs/operations/automatic.md names every field."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    witness: str
    environment: str
    ttl_s: float = Field(gt=0)
    renew_s: float = Field(gt=0)
    pause_s: float = Field(gt=0)
    """Work is stopped so long before its lease ends."""
    workloads: tuple[str, ...]


class Held(BaseModel):
    """A lease of a workload in `term`; `until` in seconds of `now()`, 0: over."""

    model_config = ConfigDict(frozen=True)

    term: int
    until: float
    generation: int = 0
    """The newest start that was made under it; 0: none."""


class _File(BaseModel):
    boot: str
    """Which start of the machine the times are of."""
    workloads: dict[str, Held]


def now() -> float:
    """Seconds since the machine started, its sleep counted where the system can."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def boot() -> str:
    """Which start of the machine the clock counts from."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def read_config(folder: SiteFolder) -> HolderConfig | None:
    """None where leases are off. ActuatorFailed where it cannot be read."""
    body = read_json(folder.lease_config)
    if body is None:
        return None
    try:
        return HolderConfig.model_validate(body)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ActuatorFailed(f"{folder.lease_config}: {faults}", hint="drstack up ENV writes it anew.") from error


def read_held(folder: SiteFolder) -> dict[str, Held]:
    """By workload; nothing of another start of the machine. ActuatorFailed where it cannot be read."""
    body = read_json(folder.leases)
    if body is None:
        return {}
    try:
        found = _File.model_validate(body)
    except ValidationError as error:
        raise ActuatorFailed(f"{folder.leases} cannot be read: {error}", hint="Its holder writes it anew.") from error
    return found.workloads if found.boot == boot() else {}


def write_held(folder: SiteFolder, held: Mapping[str, Held]) -> None:
    write_json(folder.leases, _File(boot=boot(), workloads=dict(held)).model_dump())


def may_run(folder: SiteFolder, workload: str) -> bool:
    """Whether what trains there may run now: leases are off, or its lease lasts, less the bound for pauses. Never raises."""
    try:
        config = read_config(folder)
        if config is None:
            return folder.path.is_dir()
        if workload not in config.workloads:
            return True
        lease = read_held(folder).get(workload)
    except (ActuatorFailed, OSError):
        return False
    return lease is not None and now() < lease.until - config.pause_s
