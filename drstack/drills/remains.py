"""What drills left behind: processes, folders, pins, a record without an end. Removed before the next one, or on demand.

Only who holds the lock of the environment's drills on this machine removes anything. Invariant: nothing of a drill that
still runs, here or on another machine, is touched.
"""

from __future__ import annotations

import fcntl
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import OperationConflict
from drstack.platforms.registry import end_drill
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from drstack.recovery.world import World

PIN = "drstack-drill-"
"""Begins the name of every pin that a drill holds in a real repository."""


@dataclass(frozen=True, slots=True)
class Removed:
    """`kept`: what could not be removed, in words."""

    folders: tuple[str, ...]
    pins: tuple[str, ...]
    record: str | None
    """The drill whose end was recorded now."""
    kept: tuple[str, ...]

    @property
    def anything(self) -> bool:
        return bool(self.folders or self.pins or self.record)


def drills_folder(root: Path) -> Path:
    return root / "drills"


@contextmanager
def alone(root: Path, environment: str) -> Generator[None]:
    """Be the only one who holds or removes drills of the environment on this machine. OperationConflict."""
    folder = drills_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{environment}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OperationConflict(
                f"a drill of {environment} runs on this machine", hint="Wait for its end, or end its process."
            ) from error
        yield


def remove(world: World, root: Path, now: float) -> Removed:
    """Remove what is left of drills that do not run any more. OperationConflict where one runs on another machine."""
    log = world.witness.drills()
    left = log.open()
    if left is not None and left.begun["host"] != socket.gethostname() and now < float(left.begun["ends_by"]):
        raise OperationConflict(
            f"drill {left.id} by {left.begun['by']} on {left.begun['host']} has not ended",
            hint="Wait for its end, or remove what it left there: drstack drill ENV --clean-up.",
        )
    kept: list[str] = []
    folders: list[str] = []
    for folder in sorted(drills_folder(root).glob(f"{world.environment}--drill-*")):
        still = end_drill(folder)
        kept += [f"{each} in {folder}" for each in still]
        if not still:
            folders.append(folder.name)
    pins = unpin(world, PIN, kept)
    if left is not None:
        why = "its operator went away before its end"
        log.end(left.id, {"result": "killed", "why": why, "ended_at": now, "measured": None, "report": None})
    return Removed(tuple(folders), tuple(pins), left.id if left is not None else None, tuple(kept))


def unpin(world: World, beginning: str, kept: list[str]) -> list[str]:
    """Let go of pins whose names begin so, in every repository within reach. Why some stay is added to `kept`."""
    gone: list[str] = []
    for name, repository in world.repositories.items():
        for workload in world.needs:
            try:
                log = repository.log(workload)
                view = log.view()
                for pin in [each for each in view.pins if each.startswith(beginning)]:
                    log.unpin(pin, term=view.term)
                    gone.append(f"{pin} in {name}")
            except ReplicatorError as error:
                kept.append(f"pins of {workload} in {name}, if there are any: {error}")
    return gone
