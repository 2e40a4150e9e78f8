"""Where the benchmarks put things: one working folder, and the one path at which every checkpoint is pushed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.keeper import World

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

ROOT = Path(__file__).resolve().parents[1]
MAKE_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Stage:
    """`rounds` are counted for each ratio. `quick`: tiny data that show that all of it works, and nothing else."""

    work: Path
    rounds: int
    quick: bool
    programs: dict[str, Path]
    """Peers that are there, by name."""

    @property
    def checkpoint(self) -> Path:
        return self.work / "saved" / "checkpoint"

    def world(self, name: str) -> World:
        return World(self.work / "worlds" / name)

    @contextmanager
    def shown(self, folder: Path) -> Generator[Path]:
        """`folder` at the one path, by renaming: nothing is copied, and its times stay."""
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(self.checkpoint)
        try:
            yield self.checkpoint
        finally:
            self.checkpoint.rename(folder)

    def make(self, module: str, *arguments: str) -> str:
        """Run a maker of data in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], cwd=ROOT, check=True, timeout=MAKE_TIMEOUT_S,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return done.stdout

    def saved_again(self, folder: Path, to: Path) -> Path:
        """The same contents in files of their own, as a trainer saves them."""
        shutil.rmtree(to, ignore_errors=True)
        return Path(shutil.copytree(folder, to, copy_function=shutil.copyfile))


def files_of(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]


def warm(folders: Iterable[Path]) -> None:
    """Everything in them is in the page cache."""
    for folder in folders:
        for path in files_of(folder):
            with path.open("rb", buffering=0) as file:
                while file.read(1 << 22):
                    pass


def evict(folders: Iterable[Path]) -> None:
    """Nothing in them is in the page cache."""
    os.sync()
    for folder in folders:
        for path in files_of(folder):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
