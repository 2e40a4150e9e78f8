"""The engine in the cache folder: `<cache>/engine/<version>-<os>-<architecture>/bin`.

Both ways of making one end here, so that the second `make engine` asks no network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools import cache
from tools.engine import binary
from tools.engine.choice import Engine, Unserved
from tools.engine.version import WANTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOCK_TIMEOUT_S = 3600.0
WAY = "way"


def folder() -> Path:
    return cache.root() / "engine" / f"{WANTED}-{cache.host()}"


def take() -> Engine:
    """The engine that an earlier run kept. Raises Unserved."""
    way = _way_kept()
    if way is None:
        raise Unserved(f"no {WANTED} kept in {folder().parent}")
    if not _serves(folder()):
        raise Unserved(f"what is kept in {folder()} does not run")
    return Engine(folder() / "bin", WANTED, way, "kept in the cache by an earlier run")


def make(way: str, fill: Callable[[Path], None]) -> Engine:
    """Let `fill` put the programs into a folder, see that they run, and keep them."""

    def into(partial: Path) -> None:
        programs = partial / "bin"
        programs.mkdir()
        fill(programs)
        version = binary.version_in(programs)
        if version != WANTED:
            raise Unserved(f"it says that it is {version}, not {WANTED}")
        (partial / WAY).write_text(f"{way}\n")

    try:
        made = cache.install(folder(), into, serves=_serves, label="it makes the engine", timeout_s=LOCK_TIMEOUT_S)
    except (OSError, cache.LockBusy) as error:
        raise Unserved(str(error)) from error
    if made:
        return Engine(folder() / "bin", WANTED, way, "made now")
    return replace(take(), why="made by another process just now")


def _way_kept() -> str | None:
    try:
        return (folder() / WAY).read_text().strip() or None
    except OSError:
        return None


def _serves(kept: Path) -> bool:
    try:
        return binary.version_in(kept / "bin") == WANTED
    except Unserved:
        return False
