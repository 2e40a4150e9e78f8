"""Where everything of a local site lies.

Decides names only. Invariant: whatever is of a site is below its folder, except the socket of its supervisord, whose
path must be short.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """`path` is absolute and normal: it is the site's identity on this machine."""

    path: Path

    @property
    def store(self) -> Path:
        """The object store: the site's repository."""
        return self.path / "store"

    @property
    def keys(self) -> Path:
        """The trust file and what private keys this site may hold; not there where nothing is encrypted."""
        return self.path / "keys"

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    @property
    def pool(self) -> Path:
        return self.path / "pool"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def record(self) -> Path:
        return self.path / "site.json"

    @property
    def desired(self) -> Path:
        """The values that actuators own."""
        return self.pool / "desired.json"

    @property
    def bounds(self) -> Path:
        """The bounds that Pulumi owns."""
        return self.pool / "bounds.json"

    @property
    def jobs(self) -> Path:
        return self.pool / "jobs"

    @property
    def programs(self) -> Path:
        return self.run / "programs"

    @property
    def supervisor_config(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def interpreter(self) -> Path:
        """Names the Python that runs the site's programs."""
        return self.run / "python"

    @property
    def socket_note(self) -> Path:
        """Holds the path of supervisord's socket, which depends on who started it."""
        return self.run / "socket"

    @property
    def place(self) -> Path:
        """Names the boot, the process namespace and the user that supervisord was started in."""
        return self.run / "place"

    @property
    def replicator_config(self) -> Path:
        return self.run / "replicator-config.json"

    @property
    def replicator_status(self) -> Path:
        return self.run / "replicator-status.json"

    @property
    def prover_config(self) -> Path:
        return self.run / "prover-config.json"

    @property
    def prover_status(self) -> Path:
        return self.run / "prover-status.json"

    @property
    def lease_config(self) -> Path:
        """What the holder of the site's leases is told; not there where leases are off."""
        return self.run / "lease-config.json"

    @property
    def leases(self) -> Path:
        """Until when what trains here may run."""
        return self.run / "leases.json"

    @property
    def proving(self) -> Path:
        """Rooms apart, in which recovery points are tried; empty while none is."""
        return self.path / "proving"

    @property
    def proofs(self) -> Path:
        """What was tried: one JSON line an attempt."""
        return self.path / "metrics" / "proofs.jsonl"

    def checkpoints(self, relative: str) -> Path:
        return self.path / relative

    def metrics(self, workload: str) -> Path:
        return self.path / "metrics" / f"{workload}.jsonl"

    def job(self, workload: str) -> Path:
        """The definition of a workload's job."""
        return self.jobs / f"{workload}.json"

    @property
    def endpoints(self) -> Path:
        """The ports of replicas, which stay theirs."""
        return self.pool / "endpoints.json"

    def attempts(self, workload: str) -> Path:
        return self.run / f"job-{workload}.json"

    def slot(self, index: int) -> Path:
        return self.run / f"slot-{index}.json"

    def log(self, program: str) -> Path:
        return self.logs / f"{program}.log"

    def make(self) -> None:
        folders = (self.store, self.path / "checkpoints", self.spool, self.jobs, self.programs, self.logs)
        for folder in (*folders, self.path / "metrics"):
            folder.mkdir(parents=True, exist_ok=True)


def site_folder(path: str | Path) -> SiteFolder:
    return SiteFolder(Path(os.path.normpath(Path(path).expanduser().absolute())))


def socket_path(folder: SiteFolder, environ: Mapping[str, str] = os.environ) -> Path:
    """A path of less than 108 bytes for the socket, in a folder that only this user can enter. ActuatorFailed."""
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"drstack-{os.getuid()}"  # noqa: S108
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = runtime.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ActuatorFailed(
            f"{runtime} is not a folder of our own that nobody else can enter",
            hint=f"Remove {runtime}, or set XDG_RUNTIME_DIR to a folder of your own.",
        )
    return runtime / f"{hashlib.sha256(os.fsencode(folder.path)).hexdigest()[:16]}.sock"
