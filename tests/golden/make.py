"""How the golden repositories were made, once: python tests/golden/make.py FOLDER. Tests do not make them anew."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save

from replicator.crypto.founding import found
from replicator.crypto.keyring import Keyring, from_machine
from replicator.crypto.suites import DEFAULT, NONE
from replicator.crypto.trust import TrustedRepository
from replicator.log.counters import Run
from replicator.log.entries import Commit, Drop, Open, to_record
from replicator.model import CommitId, Finding, Id
from replicator.repository.anchors import Anchor, Anchors, head_to_anchor
from replicator.repository.compact import compact, usage_of
from replicator.repository.format import initialise
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.repository import Repository
from replicator.repository.retain import removable
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from replicator.retention.compaction import CompactionPolicy, plan_compaction
from replicator.stores.local import LocalStore

if TYPE_CHECKING:
    from replicator.log.replay import Accepted

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


def new(target: Path, keys: Keyring | None = None, *, first: int = 1) -> Repository:
    """`first`: the first token, its id; two repositories of a family have ids of their own."""
    target.mkdir(parents=True)
    tokens, ticks = itertools.count(first), itertools.count(1)
    made = Repository(
        "west", LocalStore(target), clock=lambda: 1000.0 + next(ticks), token=lambda: f"{next(tokens):032x}", keys=keys,
        memory=target.parent / "memory",
    )  # fmt: skip
    suite = DEFAULT if keys else NONE
    told = initialise(made.store, environment=None, witness=None, clock=made.clock, token=made.token, suite=suite)
    if keys is not None:
        keys.admit(TrustedRepository(id=told.repository, url="file:///golden", suite=suite))
    return made


def push(
    made: Repository,
    sources: Path,
    commit: tuple[int, int],
    step: int,
    *,
    findings: tuple[Finding, ...] = (),
    counter: str | None = None,
) -> Accepted:
    folder = source(sources, step)
    snapshot = take_snapshot(folder, ["model.safetensors", "note.txt"])
    name = f"{commit[0]}.{commit[1]}"
    wanted = Push(
        "gpt", folder.name, *commit, step, name, name.encode().ljust(16, b"."), float(step), None, findings,
        counter=counter,
    )  # fmt: skip
    accepted = ship(wanted, snapshot, made)
    assert accepted is not None
    verify(made, "gpt", accepted, "west")
    return accepted


def make(target: Path, sources: Path, keys: Keyring | None = None) -> None:
    made = new(target, keys)
    log = made.log("gpt")
    log.open(Open(term=1, writer="east"))
    push(made, sources, (1, 1), 10)
    push(made, sources, (1, 2), 20)
    log.pin("keep", CommitId(1, 1), reason="golden", term=1)
    push(made, sources, (1, 3), 30)
    log.seal(1, reason="golden promotion")
    log.open(Open(term=2, writer="west", heads={"1": 2}))
    push(made, sources, (2, 1), 40)
    push(made, sources, (2, 2), 50, findings=NAN)
    log.append(lambda _: Drop(term=2, commits=(Id(term=1, height=2),), bytes_after=9e9, reason="golden"))


def make_counted(target: Path, peer: Path, sources: Path) -> None:
    """A repository that was away, while its writer gave height 3 out again: to a checkpoint that a peer holds."""
    made, other = new(target), new(peer)
    log = made.log("gpt")
    for each in (log, other.log("gpt")):
        each.open(Open(term=1, writer="east"))
    for height in (1, 2, 3):
        push(made, sources, (1, height), 10 * height, counter="before")
    again = push(other, sources, (1, 3), 35, counter="after")
    log.seal(1, reason="golden promotion")
    runs = (Run(first=1, counter="before"), Run(first=3, counter="after"))
    log.open(Open(term=2, writer="west", heads={"1": 3}, counters={"1": runs}))
    for key in [key for kind in ("packs", "manifests") for key in other.store.list(kind)]:
        made.store.create(key, other.store.get(key))
    log.append(lambda _: Commit(term=2, what=again.what, where=again.where))


def make_compacted(target: Path, sources: Path, keys: Keyring | None = None) -> None:
    """Checkpoints that were encoded anew, the old bytes gone; and a late commit that names what was let go of."""
    made = new(target, keys)
    log = made.log("gpt")
    log.open(Open(term=1, writer="east"))
    stale = push(made, sources, (1, 1), 10)
    for height in (2, 3, 4):
        push(made, sources, (1, height), 10 * height)
    log.append(lambda _: Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=0.0, reason="golden"))
    view = log.view()
    plan = plan_compaction(view, usage_of(made, view), CompactionPolicy(spare=1), full=[CommitId(1, 2), CommitId(1, 3)])
    compact(made, "gpt", plan, view, grace_s=0.0)
    late = stale.what.model_copy(update={"height": 5, "step": 50})
    log._slots.append(  # as a writer of an older version, which judges nothing
        lambda _: to_record(
            Commit(term=1, what=late, where=view.accepted[CommitId(1, 3)].where, signatures=made.notary.vouch(late))
        )
    )
    log.append(lambda _: Drop(term=1, commits=(Id(term=1, height=4),), bytes_after=0.0, reason="golden"))
    packs, manifests = removable(log.view(), [], 9e9)
    for name in sorted(packs):
        made.store.delete(pack_key(name))
    for name in sorted(manifests):
        made.store.delete(manifest_key(name))


def make_encrypted(target: Path, sources: Path) -> None:
    """The first repository again, encrypted and signed, beside all of its keys: they lock nothing else."""
    found(target / "keys", scope="golden", how=None, unlocking=from_machine())
    make(target / "repository", sources, Keyring(target / "keys"))


def make_anchors(target: Path, *repositories: Repository) -> None:
    """A witness with two anchors of each repository's log: in its fourth slot, and in its last."""
    target.mkdir(parents=True)
    for environment, made in zip(("plain", "encrypted"), repositories, strict=True):
        kept = Anchors(LocalStore(target), environment, clock=lambda: 2000.0, token=lambda: "a" * 32)
        log = made.log("gpt")
        last = head_to_anchor(made, "gpt", log.view())
        assert last is not None
        kept.note(made, "gpt", Anchor(slot=4, digest=log.slot(4).digest, term=1, height=2))
        kept.note(made, "gpt", last)


def made_before(folder: Path) -> tuple[Repository, Repository]:
    """The plain and the encrypted one, as they are in the tree."""
    keys = Keyring(folder / "encrypted" / "keys")
    signed = LocalStore(folder / "encrypted" / "repository")
    plain = Repository("west", LocalStore(folder / "repository"))
    return plain, Repository("west", signed, keys=keys, memory=folder / "memory")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    make(folder / "repository", folder / "sources")
    make_counted(folder / "counted", folder / "peer", folder / "counted-sources")
    make_encrypted(folder / "encrypted", folder / "encrypted-sources")
    make_compacted(folder / "compacted", folder / "compacted-sources")
    found(folder / "compacted-encrypted" / "keys", scope="golden", how=None, unlocking=from_machine())
    make_compacted(
        folder / "compacted-encrypted" / "repository", folder / "compacted-encrypted-sources",
        Keyring(folder / "compacted-encrypted" / "keys"),
    )  # fmt: skip
    make_anchors(folder / "witness", *made_before(folder))
