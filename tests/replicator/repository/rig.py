"""Small checkpoints and repositories on in-memory stores, for tests of shipping and restoring."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from replicator.log.entries import Open
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import Push
from replicator.repository.snapshot import Snapshot, take_snapshot
from replicator.stores.cloud import memory_store

if TYPE_CHECKING:
    import pytest

    from replicator.stores.store import ObjectStore


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


class KillAt:
    """Dies right before or right after the n-th write to the stores that share it, and at each after that."""

    def __init__(self, n: int, *, before: bool) -> None:
        self.left, self.when, self.seen = n, before, 0

    def before(self, verb: str, key: str) -> None:
        if verb == "create":
            self.seen += 1
            if self.when:
                self._count()

    def after(self, verb: str, key: str) -> None:
        if verb == "create" and not self.when:
            self._count()

    def filter(self, key: str, body: bytes) -> bytes:
        return body

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


def cut_every(size_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of this size, whatever their content, so that a small checkpoint has many."""

    def cut(read, length):
        for at in range(0, length, size_bytes):
            yield read(min(size_bytes, length - at))

    monkeypatch.setattr("replicator.repository.blocks.BLOCK_BYTES", size_bytes)
    monkeypatch.setattr("replicator.repository.blocks.chunks", cut)


def repository(store: ObjectStore | None = None, *, name: str = "west") -> Repository:
    store = store or memory_store()
    initialise(store, environment=None, witness=None, clock=lambda: 0.0, token=random_token)
    made = Repository(name, store)
    if made.log("gpt").view().term == 0:
        made.log("gpt").open(Open(term=1, writer="east"))
    return made


def checkpoint(folder: Path, step: int, *, size: int = 300_000, seed: int = 0) -> Snapshot:
    """Three files, one of them empty, one below a folder; `size` bytes that do not compress in the first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sub").mkdir(exist_ok=True)
    (folder / "weights").write_bytes(np.random.default_rng(seed).bytes(size))
    (folder / "sub" / "step").write_text(str(step))
    (folder / "empty").write_bytes(b"")
    (folder / "weights").chmod(0o640)
    return take_snapshot(folder, ["weights", "sub/step", "empty"])


def push(
    height: int, step: int, *, term: int = 1, salt: bytes = b"s" * 16, attempt: str = "a1", **more: object
) -> Push:
    return Push("gpt", f"step-{step}", term, height, step, attempt, salt, 1000.0 + step, **more)


def contents(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Per file its bytes, mode and time."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def seen(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything about a tree that a restore promises."""
    found: dict[str, tuple[object, ...]] = {}
    for place, folders, names in os.walk(root):
        for path in (Path(place) / name for name in [*folders, *names]):
            status = path.lstat()
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                found[relative] = ("link", path.readlink())
            elif path.is_dir():
                found[relative] = ("folder", *(() if any(path.iterdir()) else (status.st_mode, status.st_mtime_ns)))
            else:
                found[relative] = ("file", status.st_mode, status.st_mtime_ns, path.read_bytes())
    return found
