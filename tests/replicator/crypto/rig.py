"""Keys for tests: a folder with all of them, and ways to have only some."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replicator.crypto.founding import found
from replicator.crypto.keyring import Keyring
from replicator.crypto.protection import Unlocking
from replicator.crypto.suites import DEFAULT
from replicator.crypto.trust import TrustedRepository, read_trust, write_trust
from replicator.errors import KeyLocked
from replicator.log.entries import Open
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from tests.replicator.repository.rig import memory_store

SCOPE = "family-1"


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
