"""How the golden repository was made, once: python tests/golden/make.py FOLDER. It is not made anew by the tests."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from replicator.log.entries import Drop, Open
from replicator.model import CommitId, Finding, Id
from replicator.repository.format import initialise
from replicator.repository.repository import Repository
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from replicator.stores.local import LocalStore

NAN = (Finding(reason="nan", tensor="w", evidence="1 NaN"),)


def source(folder: Path, step: int) -> Path:
    """A checkpoint of two files; the embedding stays the same from step to step."""
    path = folder / f"step-{step}"
    path.mkdir(parents=True)
    embedding = np.random.default_rng(1).standard_normal(20_000).astype(np.float32)
    weights = np.random.default_rng(step).standard_normal(500).astype(np.float32)
    (path / "model.safetensors").write_bytes(save({"embedding": embedding, "w": weights}))
    (path / "note.txt").write_text(f"step {step}\n" * 50)
    for name in ("model.safetensors", "note.txt"):
        (path / name).chmod(0o640)
        os.utime(path / name, ns=(step * 10**9 + 5, step * 10**9 + 5))
    return path


def make(target: Path, sources: Path) -> None:
    target.mkdir(parents=True)
    tokens, ticks = itertools.count(1), itertools.count(1)
    made = Repository(
        "west", LocalStore(target), clock=lambda: 1000.0 + next(ticks), token=lambda: f"{next(tokens):032x}"
    )
    initialise(made.store, environment=None, witness=None, clock=made.clock, token=made.token)
    log = made.log("gpt")

    def push(term: int, height: int, step: int, findings: tuple[Finding, ...] = ()) -> None:
        folder = source(sources, step)
        snapshot = take_snapshot(folder, ["model.safetensors", "note.txt"])
        name = f"{term}.{height}"
        wanted = Push(
            "gpt", folder.name, term, height, step, name, name.encode().ljust(16, b"."), float(step), None, findings
        )
        accepted = ship(wanted, snapshot, made)
        assert accepted is not None
        verify(made, "gpt", accepted, "west")

    log.open(Open(term=1, writer="east"))
    push(1, 1, 10)
    push(1, 2, 20)
    log.pin("keep", CommitId(1, 1), reason="golden", term=1)
    push(1, 3, 30)
    log.seal(1, reason="golden promotion")
    log.open(Open(term=2, writer="west", heads={"1": 2}))
    push(2, 1, 40)
    push(2, 2, 50, NAN)
    log.append(lambda _: Drop(term=2, commits=(Id(term=1, height=2),), bytes_after=9e9, reason="golden"))


if __name__ == "__main__":
    make(Path(sys.argv[1]) / "repository", Path(sys.argv[1]) / "sources")
