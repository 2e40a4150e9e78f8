"""Repositories in folders, and what is in them, for tests of what runs inside a trainer."""

from __future__ import annotations

import time
from pathlib import Path

from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.stores.url import make_folder, open_store
from replicator.train.shipper import SPOOL_NAME, Shipper

PATIENCE_S = 60.0
_INTO_BLOCKS = 8 + 16 + 4 + 12
"""Past a pack's header, and the few bytes of `state.json`."""


def made(folder: Path, environment: str | None = None) -> str:
    """The URL of a new repository."""
    url = folder.as_uri()
    make_folder(url)
    initialise(open_store(url), environment=environment, witness=None, clock=time.time, token=random_token)
    return url


def view(url: str, workload: str = "gpt"):
    return Repository("there", open_store(url)).log(workload).view()


def steps(url: str, workload: str = "gpt") -> list[int]:
    """The steps of what stands, oldest first."""
    return [accepted.what.step for accepted in view(url, workload).in_order()]


def damage(folder: Path) -> None:
    """Flip one byte in the first files of every pack of a repository's folder: those of the checkpoint itself."""
    packs = [path for path in (folder / "packs").rglob("*") if path.is_file()]
    assert packs
    for pack in packs:
        body = bytearray(pack.read_bytes())
        body[min(_INTO_BLOCKS, len(body) - 1)] ^= 1
        pack.chmod(0o644)
        pack.write_bytes(body)


def until(condition, what: str) -> None:
    """Wait for it, for as long as a busy machine may need."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


def saved(folder: Path, step: int, *, fill: int | None = None, size: int = 50_000) -> Path:
    """A finished checkpoint of files that no layout knows."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights.bin").write_bytes(bytes([(step if fill is None else fill) % 256]) * size)
    (path / "state.json").write_text(f'{{"step": {step}}}')
    return path


def on_its_way(store: Path, url: str, out: Path, step: int, workload: str = "gpt") -> None:
    """A finished checkpoint that is in the spool while the store is away; the one before it arrived."""
    shipper = Shipper(url, workload=workload, spool=out / SPOOL_NAME)
    shipper.submit(saved(out, step - 1), step - 1)
    assert shipper.wait(PATIENCE_S) == ()
    store.rename(store.with_name("gone"))
    shipper.submit(saved(out, step), step)
    until(lambda: list((out / SPOOL_NAME / workload).glob("1.2-*")), "it is in the spool")
    shipper.close()
    store.with_name("gone").rename(store)
