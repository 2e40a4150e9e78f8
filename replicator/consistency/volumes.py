"""Snapshots of volumes at the point: of a CSI group, of ZFS, of btrfs, of LVM. The commit holds references, not bytes.

A snapshot stays where its volume is, so that it serves a rollback there, or a site that replicates the storage itself; it is
deleted by whoever owns the storage, not with the checkpoint. Several LVM volumes are not cut at one moment: quiesce what
writes to them first (a hook before this one, fsfreeze say).
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from replicator.consistency.system import Kept
from replicator.errors import PointNotMade
from replicator.versions.asking import Unknown, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NAME = "snapshots.json"
_POLL_S = 0.2
_STEP_S = 60.0


class Run(Protocol):
    """Runs a command to its end and gives what it printed. PointNotMade."""

    def __call__(self, argv: Sequence[str], *, stdin: bytes | None = None) -> bytes: ...


class VolumeSnapshots(Protocol):
    """`take` returns once the snapshot exists: what is written to the volumes from then on is not in it."""

    @property
    def kind(self) -> str: ...

    def take(self, label: str, run: Run) -> dict[str, str]:
        """Snapshot all volumes under a label that is new; each volume's name to the handle of its snapshot."""
        ...


def run_command(argv: Sequence[str], *, stdin: bytes | None = None) -> bytes:
    try:
        return ask(argv, timeout_s=_STEP_S, stdin=stdin)
    except Unknown as why:
        raise PointNotMade(str(why)) from why


@dataclass(frozen=True, slots=True)
class Volumes:
    """Volumes that are snapshot together."""

    name: str
    driver: VolumeSnapshots
    timeout_s: float = 120.0
    run: Run = run_command
    label: Callable[[], str] = lambda: f"drstack-{secrets.token_hex(5)}"

    @property
    def kind(self) -> str:
        return self.driver.kind

    def quiesce(self) -> None:
        """Nothing to do: a snapshot is one moment."""

    def keep(self, into: Path) -> Kept:
        handles = self.driver.take(self.label(), self.run)
        (into / NAME).write_text(json.dumps({"kind": self.kind, "snapshots": handles}, indent=1, sort_keys=True))
        return Kept(f"{len(handles)} snapshots", handles)

    def release(self) -> None:
        """Nothing was held."""


@dataclass(frozen=True, slots=True)
class Zfs:
    """Datasets of one pool; one command cuts all of them at one moment."""

    datasets: tuple[str, ...]
    kind: str = "zfs"

    def take(self, label: str, run: Run) -> dict[str, str]:
        handles = {dataset: f"{dataset}@{label}" for dataset in self.datasets}
        run(["zfs", "snapshot", *handles.values()])
        return handles


@dataclass(frozen=True, slots=True)
class Btrfs:
    """One subvolume, to a read-only snapshot in a folder of the same file system."""

    subvolume: str
    into: str
    kind: str = "btrfs"

    def take(self, label: str, run: Run) -> dict[str, str]:
        target = f"{self.into.rstrip('/')}/{label}"
        run(["btrfs", "subvolume", "snapshot", "-r", self.subvolume, target])
        return {self.subvolume: target}


@dataclass(frozen=True, slots=True)
class Lvm:
    """Logical volumes as GROUP/VOLUME. Thin ones need no size; others get `extents` of each for what changes."""

    volumes: tuple[str, ...]
    extents: str | None = None
    kind: str = "lvm"

    def take(self, label: str, run: Run) -> dict[str, str]:
        handles: dict[str, str] = {}
        for volume in self.volumes:
            group, _, name = volume.partition("/")
            size = ["--extents", self.extents] if self.extents else []
            run(["lvcreate", "--snapshot", *size, "--name", f"{name}-{label}", volume])
            handles[volume] = f"{group}/{name}-{label}"
        return handles


@dataclass(frozen=True, slots=True)
class CsiGroup:
    """A VolumeGroupSnapshot of all claims that a selector names (external-snapshotter, groupsnapshot.storage.k8s.io)."""

    namespace: str
    snapshot_class: str
    labels: tuple[tuple[str, str], ...]
    api: str = "groupsnapshot.storage.k8s.io/v1beta1"
    timeout_s: float = 100.0
    kind: str = "csi"

    def take(self, label: str, run: Run) -> dict[str, str]:
        """Ends when the storage says when it was cut; copying it to where it can be used may go on."""
        source = {"selector": {"matchLabels": dict(self.labels)}}
        wanted = {
            "apiVersion": self.api, "kind": "VolumeGroupSnapshot", "metadata": {"name": label, "namespace": self.namespace},
            "spec": {"volumeGroupSnapshotClassName": self.snapshot_class, "source": source},
        }  # fmt: skip
        run(["kubectl", "create", "--filename=-"], stdin=json.dumps(wanted).encode())
        until = time.monotonic() + self.timeout_s
        while time.monotonic() < until:
            status = self._status(label, run)
            if (error := cast("dict[str, Any]", status.get("error") or {})).get("message"):
                raise PointNotMade(f"group snapshot {label}: {error['message']}")
            if status.get("creationTime"):
                content = str(status.get("boundVolumeGroupSnapshotContentName", ""))
                return {"group": f"{self.namespace}/{label}", "content": content, "at": str(status["creationTime"])}
            time.sleep(_POLL_S)
        raise PointNotMade(f"group snapshot {label} was not cut within {self.timeout_s:g} s")

    def _status(self, label: str, run: Run) -> dict[str, Any]:
        resource = f"volumegroupsnapshots.{self.api.partition('/')[0]}"
        answer = run(["kubectl", "get", resource, label, f"--namespace={self.namespace}", "--output=json"])
        try:
            found = json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise PointNotMade(f"kubectl answered with no JSON for {label}") from error
        status = cast("dict[str, Any]", found).get("status") if isinstance(found, dict) else None
        return cast("dict[str, Any]", status) if isinstance(status, dict) else {}
