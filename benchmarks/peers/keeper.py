"""What the benchmarks ask of a program that keeps checkpoints, and the folder that it keeps them in."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from benchmarks.measure import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.measure import Run

PREPARE_TIMEOUT_S = 900.0
_PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "GOMAXPROCS")


@dataclass(frozen=True, slots=True)
class World:
    """`repository` is what is counted; `home` holds a program's keys, caches and memory, so that no user's are touched."""

    folder: Path

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Of a process that belongs here: nothing of the user's, and compiled Python files are used."""
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        folders = {"XDG_CACHE_HOME": "cache", "XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config"}
        return {
            **passed, "HOME": str(self.home), **{name: str(self.home / place) for name, place in folders.items()}, **more,
        }  # fmt: skip

    def stored_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.repository.rglob("*") if path.is_file())

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.home.mkdir(parents=True)

    def become(self, other: World) -> None:
        """The same as another: objects of a repository are never rewritten, so they are linked, all else is copied."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(other.repository, self.repository, copy_function=os.link, symlinks=True)
        shutil.copytree(other.home, self.home, symlinks=True)


@dataclass(frozen=True, slots=True)
class Command:
    argv: tuple[str, ...]
    more: dict[str, str]
    """What its environment has beside that of its world."""


class Keeper(Protocol):
    @property
    def name(self) -> str: ...

    def version(self) -> str: ...

    def prepare(self, world: World) -> Sequence[Command]:
        """What makes an empty repository."""
        ...

    def push(self, world: World, checkpoint: Path, step: int) -> Command: ...


class Restorer(Keeper, Protocol):
    def restore(self, world: World, to: Path) -> Command:
        """Of what was pushed last."""
        ...


def prepare(keeper: Keeper, world: World) -> None:
    world.clear()
    for command in keeper.prepare(world):
        subprocess.run(
            command.argv, env=world.environment(command.more), check=True, timeout=PREPARE_TIMEOUT_S,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def push(keeper: Keeper, world: World, checkpoint: Path, step: int) -> Run:
    before = world.stored_bytes()
    command = keeper.push(world, checkpoint, step)
    done = run(command.argv, env=world.environment(command.more))
    return replace(done, stored_bytes=world.stored_bytes() - before)


def restore(keeper: Restorer, world: World, to: Path) -> Run:
    command = keeper.restore(world, to)
    return run(command.argv, env=world.environment(command.more))
