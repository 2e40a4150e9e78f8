"""How `full` was made, once: python tests/golden/make_full.py FOLDER. All that the page has is in it, most in one log.

A promotion with a rotated writer and listed keys, a checkpoint that was dropped and brought back, one of two ranks that
was encoded anew, one that people released and one that they condemned, levels, pins, receipts, restores, a witness.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save

from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.crypto.founding import found
from replicator.crypto.keyring import Keyring, from_machine
from replicator.layouts import inspect
from replicator.log.counters import Run
from replicator.log.entries import Drop, Open, SealRef, Upgrade
from replicator.model import CommitId, Finding, Id, Participant, Point, Versions
from replicator.repository.anchors import Anchor, Anchors, head_to_anchor
from replicator.repository.beside import take_beside, write_beside
from replicator.repository.compact import compact
from replicator.repository.custody import create_key, revoke
from replicator.repository.drill import drill
from replicator.repository.move import copy
from replicator.repository.readiness import note_restore
from replicator.repository.repository import Repository
from replicator.repository.ruling import Ruling, rule
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import Snapshot, take_snapshot
from replicator.repository.verify import verify
from replicator.retention.compaction import Plan, Rewrite
from replicator.stores.local import LocalStore
from tests.golden.make import new

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.log.workload import Slot

NAN = (Finding(reason="nan", tensor="w", evidence="1 NaN"), Finding(reason="loader", tensor=None, evidence="gone"))
MADE_WITH = Versions(
    by="launcher", commit="0" * 40, dirty=True, data="d1", model="m1", lock="l1", container="c1", torch="2.9", cuda="13",
    driver="580", gpu="H200", gpus=8, world=2, dtype="bf16",
)  # fmt: skip
AT_ONCE = Point(
    made=False, reason="db: no answer", paused_s=0.5,
    participants=(
        Participant(name="db", kind="postgres", ok=False, told="no answer"),
        Participant(name="models", kind="mlflow", ok=True, told="3 versions", facts={"newest": "3"}),
    ),
)  # fmt: skip
NOT_TEXT = os.fsdecode(b"weights-\xff\xfe.bin")


def tree(root: Path, step: int) -> Path:
    """A checkpoint with everything that a folder can have: the same bytes, names, modes, times and links every time."""
    (root / "rank" / "deep").mkdir(parents=True)
    weights = np.random.default_rng(step).standard_normal(500).astype(np.float32)
    (root / "model.safetensors").write_bytes(save({"w": weights, "e": np.zeros(100_000, np.float32)}))
    (root / "rank" / "deep" / "optimizer.bin").write_bytes(bytes(range(256)) * 1200 + f"{step}".encode())
    (root / "empty").write_bytes(b"")
    (root / NOT_TEXT).write_bytes(b"no text")
    (root / "new\nline\\é").write_bytes(b"legal")
    (root / "latest").symlink_to("rank/deep")
    (root / "rank" / "w").symlink_to("../model.safetensors")
    (root / "again").hardlink_to(root / "model.safetensors")
    (root / "logs" / "none").mkdir(parents=True)
    for n, (name, mode) in enumerate(
        (("empty", 0o400), (NOT_TEXT, 0o755), ("new\nline\\é", 0o600), ("model.safetensors", 0o604),
         ("rank/deep/optimizer.bin", 0o640), ("logs/none", 0o750))
    ):  # fmt: skip
        (root / name).chmod(mode)
        os.utime(root / name, ns=(n, step * 10**9 + 123_456_700 + n))
    return root


def whole(folder: Path, step: int) -> tuple[Snapshot, Snapshot | None]:
    """The tree, and what lies beside it."""
    root = tree(folder / f"step-{step}", step)
    candidate = inspect(root)
    write_beside(folder, {"versions.json": b"{}", "point/models/dump": b"rows of a registry"})
    for name in ("versions.json", "point/models/dump"):
        (folder / "beside" / name).chmod(0o600)
        os.utime(folder / "beside" / name, ns=(1, step * 10**9))
    return take_snapshot(root, candidate.files, candidate.folders), take_beside(folder)


def push(height: int, step: int, term: int = 2, **more: object) -> Push:
    attempt = f"{term}.{height}"
    return Push(
        "gpt", f"step-{step}", term, height, step, attempt, attempt.encode().ljust(16, b"."), float(step), **more
    )


def shard(folder: Path, step: int, rank: int) -> Snapshot:
    root = folder / f"step-{step}-of-{rank}"
    root.mkdir(parents=True)
    (root / f"rank-{rank}.bin").write_bytes(f"{step} {rank}".encode() * 100)
    return take_snapshot(root, [f"rank-{rank}.bin"])


def promoted(seal: Slot) -> Assignment:
    """Term 2, with keys of its own."""
    part = WorkloadAssignment(
        writer="west", term=2, serves={"west": 1}, acknowledge=("west", "near"), heads={"1": 1},
        seals=(SealRef(repository="west", slot=seal.n, digest=seal.digest),), head=Id(term=1, height=1),
        counters={"1": (Run(first=1, counter="before"),)}, keys=("keeper", "west-writer"),
    )  # fmt: skip
    return Assignment(number=1, workloads={"gpt": part}, cause="promote", operation="1-1")


def first_term(made: Repository, peer: Repository, ring: Keyring, scratch: Path) -> Slot:
    """A checkpoint that both hold, a hold that is over, a seal; the writer's key ends with the term."""
    same = shard(scratch, 10, 0)
    for each in (made, peer):
        each.log("gpt").open(Open(term=1, writer="east"))
        assert ship(push(1, 10, 1, counter="before"), same, each) is not None
    log = made.log("gpt")
    log.pin("hold/audit", CommitId(1, 1), reason="legal: audit", term=1)
    log.unpin("hold/audit", term=1, reason="legal: the audit is over")
    seal = log.seal(1, reason="golden promotion", operation="1-1")
    revoke(ring, "writer", "rotated", [made, peer])
    return seal


def second_term(made: Repository, peer: Repository, ring: Keyring, opening: Open, scratch: Path) -> Accepted:
    """What was dropped comes back; two ranks, encoded anew; everything, the newest; one that people will condemn."""
    log = made.log("gpt")
    log.open(opening)
    log.append(lambda _: Drop(term=2, commits=(Id(term=1, height=1),), bytes_after=9e9, reason="golden"))
    assert copy(peer, made, "gpt", peer.log("gpt").view().in_order()[0], "west")  # by the promoter: no writer is here
    create_key(ring, "west-writer", ("writer",), how=None, unlocking=from_machine())
    for rank in (0, 1):
        ship(push(1, 20, rank=rank, world=2), shard(scratch, 20, rank), made)
    log.append(lambda _: Upgrade(term=2, reader=1, writer=1, release="0.1", reason="golden"))
    everything, beside = whole(scratch / "everything", 30)
    more = {"counter": "after", "parent": CommitId(1, 1), "versions": MADE_WITH, "point": AT_ONCE, "findings": NAN}
    newest = ship(push(2, 30, **more), replace(everything, beside=beside), made)
    wrong = ship(push(3, 40, counter="after", findings=()), shard(scratch, 40, 0), made)
    assert newest is not None
    assert wrong is not None
    plan = Plan(term=2, rewrites=(Rewrite(CommitId(2, 1), (), full=True, reason="golden"),))
    assert compact(made, "gpt", plan, log.view(), grace_s=1e9).done == [CommitId(2, 1)]
    rule(made, "gpt", wrong, Ruling(released=False, reason="wrong data", by="bob", at=0.0))
    return newest


def said_of(made: Repository, newest: Accepted, scratch: Path) -> None:
    """People's words, a failure that a repair took back, a drill, a restore."""
    for released in (False, True):
        rule(made, "gpt", newest, Ruling(released=released, reason="golden", by="ann", at=0.0))
    record = made.log("gpt").slot(newest.slot).digest
    made.receipts.write("gpt", newest.slot, "stored", "east", record=record, ok=False, reason="was missing")
    verify(made, "gpt", newest, "west", repaired=True)
    assert drill(made, "gpt", newest, scratch / "drill", "west").why is None
    note_restore(made, newest)


def make_full(target: Path, scratch: Path) -> None:
    found(target / "keys", scope="golden", how=None, unlocking=from_machine())
    ring = Keyring(target / "keys")
    made, peer = new(target / "repository", ring), new(scratch / "peer", ring, first=1000)
    made.memory = peer.memory = scratch / "memory"
    assigned = promoted(first_term(made, peer, ring, scratch))
    said_of(made, second_term(made, peer, ring, assigned.opening("gpt"), scratch), scratch)
    (target / "witness").mkdir()
    tokens = map("{:032x}".format, itertools.count(1))
    witness = Witness(LocalStore(target / "witness"), "full", clock=lambda: 2000.0, token=tokens.__next__)
    witness.found()
    witness.assign(assigned)
    kept = Anchors(LocalStore(target / "witness"), "full", clock=lambda: 2000.0, token=tokens.__next__)
    log = made.log("gpt")
    last = head_to_anchor(made, "gpt", log.view())
    assert last is not None
    kept.note(made, "gpt", Anchor(slot=4, digest=log.slot(4).digest, term=1, height=1))
    kept.note(made, "gpt", last)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make_full(Path(sys.argv[1]), Path(folder))
