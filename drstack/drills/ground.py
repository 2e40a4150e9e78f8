"""What a drill asks of a platform: the idle part of a site to stand on, and a site of the drill's own on it.

`Ground` is the operator's view: hold it, and hear when somebody wants it. `DrillSite` is made by the drill's own
process, which may write only below the drill's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from drstack.proving.ports import Replay


@dataclass(frozen=True, slots=True)
class Place:
    """Where all of a drill lies. `environment` is its own name, `<env>--drill-<id>`."""

    environment: str
    folder: Path
    keys: Path | None
    """Keys made for this drill alone; None where nothing is encrypted."""
    real: tuple[str, ...]
    """Places of the real environment on this machine, which nothing of the drill may be told."""

    @property
    def leash(self) -> Path:
        """A FIFO that the drill's operator holds open; everything ends when they are gone."""
        return self.folder / "leash"

    @property
    def witness(self) -> str:
        return (self.folder / "witness").as_uri()

    @property
    def scratch(self) -> Path:
        """For temporary files of whatever runs in the drill."""
        return self.folder / "tmp"


class Ground(Protocol):
    """The idle part of one site."""

    @property
    def site(self) -> str: ...

    def held(self, *, wait_s: float) -> AbstractContextManager[None]:
        """Be the only one on it, and take it as it is now for idle. ActuatorFailed if somebody else is, after `wait_s`."""
        ...

    def wanted(self) -> str | None:
        """Why the drill must end at once, if so: the site was told to run something else, or is fenced."""
        ...

    def writable(self) -> tuple[Path, ...]:
        """Folders that the drill's processes need to write to besides the drill's own."""
        ...

    def environ(self, drill: Path) -> Mapping[str, str]:
        """What every process of the drill in this folder carries in its environment, so that it is found and ended."""
        ...

    def guarded(self, drill: Path, leash: Path) -> AbstractContextManager[None]:
        """For the time of the block: if this process dies, the drill's processes and folder go too."""
        ...

    def end(self, drill: Path) -> tuple[str, ...]:
        """Kill every process of the drill, at once. Returns what is left, in words."""
        ...


class DrillSite(Protocol):
    @property
    def repository(self) -> str:
        """The URL of its object store, which its maker initialises."""
        ...

    def make(self, environment_id: str) -> dict[str, object]:
        """Have it stand by as the real one does. Returns its descriptor. NotReady where something cannot be had apart."""
        ...

    def protect(self) -> None:
        """Have its replicator run. ActuatorFailed."""
        ...

    def replay(self, workload: str) -> Replay | None:
        """What its run of the workload logged since it was started; None where it logs no losses."""
        ...
