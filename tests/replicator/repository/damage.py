"""Repositories with checkpoints to damage: plain, packed otherwise, encrypted; and ways to damage them."""

from __future__ import annotations

from replicator.log.entries import Open
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.stores.cloud import memory_store
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.rig import checkpoint, push, repository


def copy(store):
    """A byte for byte copy of all objects."""
    made = memory_store()
    for top in ("format.json", "keys", "log", "packs", "manifests", "receipts", "parts"):
        for key in [top] if top == "format.json" else sorted(store.list(top)):
            made.create(key, store.get(key))
    return made


def filled(tmp_path, *names, salts=None, count=3):
    """Repositories with the same three checkpoints, the later ones leaning on the first."""
    made = [repository(memory_store(), name=name) for name in names]
    fill(tmp_path, made, salts=salts, count=count)
    return made


def fill(tmp_path, made, *, salts=None, count=3):
    for n in range(1, count + 1):
        folder = tmp_path / f"ck-{n}"
        if not folder.exists():
            checkpoint(folder, n, size=400_000, seed=1)
            with (folder / "weights").open("r+b") as file:
                file.write(bytes([n]) * 20_000)
        snapshot = take_snapshot(folder, ["weights", "sub/step", "empty"])
        for k, there in enumerate(made):
            salt = bytes([n, k if salts else 0]) * 8
            ship(push(n, n, attempt=f"a{n}", salt=salt), snapshot, there)


def filled_apart(tmp_path, *names):
    """The same, packed and named by each in its own way."""
    return filled(tmp_path, *names, salts=True)


def filled_encrypted(tmp_path, *names):
    """The same, encrypted: each push to each repository has a key of its own."""
    family = Family(tmp_path / "family")
    stores = [family.store, *(memory_store() for _ in names[1:])]
    made = []
    for store in stores:
        if store is not family.store:
            family.add(store)
        made.append(family.all(store))
        if made[-1].log("gpt").view().term == 0:
            made[-1].log("gpt").open(Open(term=1, writer="east"))
    fill(tmp_path, made)
    return made


def flip(store, key, dice):
    body = bytearray(store.get(key))
    how = dice.randrange(3)
    store.delete(key)
    if how == 0:
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
    elif how == 1:
        body = body[: dice.randrange(len(body))]
    else:
        return
    store.create(key, bytes(body))


def flip_body(store, key, at):
    body = bytearray(store.get(key))
    body[at] ^= 1
    store.delete(key)
    store.create(key, bytes(body))


def everything(there):
    return {key: there.store.get(key) for key in sorted([*there.store.list("packs"), *there.store.list("manifests")])}


def manifest_of(accepted):
    return manifest_key(accepted.where.manifest.digest)


def pack_of(accepted, n=0):
    return pack_key(accepted.where.packs[n].digest)
