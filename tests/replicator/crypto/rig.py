"""Keys for tests: a folder with all of them, ways to have only some, and what a thief of one can sign."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replicator.crypto.founding import found
from replicator.crypto.keyring import Keyring
from replicator.crypto.protection import Unlocking
from replicator.crypto.statements import pae
from replicator.crypto.suites import DEFAULT, suite_named
from replicator.crypto.trust import TrustedRepository, read_trust, write_trust
from replicator.errors import KeyLocked
from replicator.log.entries import Open
from replicator.log.records import PAYLOAD_TYPE, canonical, payload_of
from replicator.log.slots import slot_key
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from tests.replicator.log.builders import what, where
from tests.replicator.repository.rig import memory_store

SCOPE = "family-1"
SIGNED = suite_named(DEFAULT)


class NoKms:
    def encrypt(self, secret, context):
        raise KeyLocked("no KMS in this test")

    decrypt = encrypt


def unlocking(passphrase: bytes = b"") -> Unlocking:
    return Unlocking(passphrase=lambda _: passphrase, kms=lambda _: NoKms())


def founded(folder: Path, how=None) -> Path:
    found(folder, scope=SCOPE, how=how, unlocking=unlocking())
    return folder


def only(keys: Path, target: Path, *names: str) -> Path:
    """A folder with the trust file and those private keys."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("trust.json", *(f"{each}.key" for each in names)):
        shutil.copy2(keys / name, target / name)
    return target


def ring(folder: Path, passphrase: bytes = b"") -> Keyring:
    return Keyring(folder, unlocking=unlocking(passphrase))


class Family:
    """An encrypted repository in memory, and hands that hold some of its keys each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = founded(folder / "all")
        self.store = memory_store()
        self.id = self.add(self.store)
        self._opened = 0
        self.all().log("gpt").open(Open(term=1, writer="east"))

    def add(self, store) -> str:
        """Another repository of the family."""
        made = initialise(
            store, environment=None, witness=None, clock=lambda: 0.0, token=random_token, suite=DEFAULT
        ).repository
        trust = read_trust(self.keys).listing(TrustedRepository(id=made, url=store.url, suite=DEFAULT))
        write_trust(self.keys, trust)
        return made

    def hand(self, *names: str, store=None, memory: str | None = None) -> Repository:
        """The repository as somebody opens it who holds these keys."""
        self._opened += 1
        folder = only(self.keys, self.folder / f"hand-{self._opened}", *names)
        remembers = self.folder / (memory or f"memory-{self._opened}")
        return Repository("west", self.store if store is None else store, keys=ring(folder), memory=remembers)

    def all(self, store=None) -> Repository:
        return self.hand("writer", "keeper", "verifier", "promoter", "operator", "escrow", store=store)


@contextmanager
def altered(store, key: str, body: bytes | None) -> Iterator[None]:
    """What a hostile store can do: the object holds something else for a while, or is gone (None)."""
    before = store.get(key)
    store.delete(key)
    if body is not None:
        store.create(key, body)
    yield
    if body is not None:
        store.delete(key)
    store.create(key, before)


def key_of(n: int) -> str:
    return slot_key("log/gpt", n)


def committed(family, height: int = 1) -> None:
    family.all().log("gpt").commit(what(1, height), lambda _: where(), term=1)


def forge(family, n: int, kind: str, body, *, by: str, previous=None, log: str = "log/gpt", **binding) -> bytes:
    """A record as the holder of `by` can make it, whatever the product would sign."""
    named = {"suite": DEFAULT, "environment": "family-1", "repository": family.id, **binding}
    payload = canonical({**payload_of(log, n, previous, "a", kind, 1.0, body), **named})
    signed = SIGNED.sign(ring(family.keys).seed(by), pae(PAYLOAD_TYPE, payload))
    return canonical(
        {
            "payloadType": PAYLOAD_TYPE, "payload": base64.b64encode(payload).decode(),
            "signatures": [
                {"keyid": f"{by}#{name}", "sig": base64.b64encode(sig).decode()} for name, sig in signed.items()
            ],
        }
    )  # fmt: skip


def appended(family, kind: str, body, *, by: str, **binding) -> None:
    """Put a forged record into the next slot, rightly linked."""
    there = family.all().log("gpt")
    n = there.view().slots + 1
    family.store.create(key_of(n), forge(family, n, kind, body, by=by, previous=there.slot(n - 1).digest, **binding))
