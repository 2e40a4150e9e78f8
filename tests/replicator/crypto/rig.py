"""Keys for tests: a folder with all of them, and ways to have only some."""

from __future__ import annotations

import shutil
from pathlib import Path

from replicator.crypto.founding import found
from replicator.crypto.keyring import Keyring
from replicator.crypto.protection import Unlocking
from replicator.errors import KeyLocked

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
