"""The keys at hand: a folder with the trust file and those private keys that this machine is meant to hold.

A training node holds the writer's, a standby its verifier's and a recipient's, a safe the escrow recipient's. What is
not there is asked for by name, when it is needed.
"""

from __future__ import annotations

import os
import sys
import threading
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.crypto.keyfile import keys_in, read_key
from replicator.crypto.kms import kms_at
from replicator.crypto.protection import Unlocking
from replicator.crypto.suites import suite_named
from replicator.crypto.trust import FILE, read_trust, write_trust
from replicator.errors import KeyAbsent, KeyLocked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.crypto.roles import Role
    from replicator.crypto.trust import Trust, TrustedKey, TrustedRepository

ENVIRONMENT = "DRSTACK_KEYS"
PASSPHRASE_FILE = "DRSTACK_PASSPHRASE_FILE"  # noqa: S105 - names a variable


class Keyring:
    """The trust file and private keys of `folder`, each read and unlocked at its first use. Safe for threads."""

    def __init__(self, folder: Path, *, unlocking: Unlocking | None = None) -> None:
        self.folder = folder
        self.trust: Trust = read_trust(folder)
        self._unlocking = unlocking or from_machine()
        self._seeds: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def replace(self, trust: Trust) -> None:
        """Write the trust file anew."""
        write_trust(self.folder, trust)
        self.trust = trust

    def admit(self, repository: TrustedRepository) -> None:
        """List a repository in the trust file."""
        listed = self.trust.listing(repository)
        if listed != self.trust:
            self.replace(listed)

    def names(self) -> list[str]:
        """The private keys at hand, whether the trust file knows them or not."""
        return keys_in(self.folder)

    def seed(self, name: str) -> bytes:
        """KeyAbsent, KeyLocked; also where the trust file's public halves are those of another key."""
        with self._lock:
            if name not in self._seeds:
                file = read_key(self.folder, name)
                seed = file.seed(self._unlocking)
                trusted = self.trust.key(name)
                if trusted is not None and suite_named(self.trust.suite).public(seed) != trusted.public:
                    raise KeyLocked(f"key {name} in {self.folder} is not the one that {FILE} names so")
                self._seeds[name] = seed
            return self._seeds[name]

    def signer(self, roles: Iterable[Role], what: str, among: Iterable[str] | None = None) -> TrustedKey:
        """A key at hand of the first of `roles` that there is one for. KeyAbsent, naming `what` it was to sign.

        `among`: the names that may, where not all may.
        """
        wanted = tuple(roles)
        here = set(self.names())
        allowed = None if among is None else set(among)
        for role in wanted:
            for key in self.trust.keys:
                at_hand = key.name in here and (allowed is None or key.name in allowed)
                if at_hand and role in key.roles and key.revoked is None:
                    return key
        known = sorted(k.name for k in self.trust.keys if not k.revoked and set(k.roles) & set(wanted))
        raise KeyAbsent(
            f"{self.folder} has no key that may sign {what}: that takes the role {' or '.join(wanted) or 'of nobody'}",
            hint=f"Copy {' or '.join(f'{name}.key' for name in known)} there." if known else None,
        )

    def recipients(self) -> list[TrustedKey]:
        """Recipients whose private key is at hand, also revoked ones: they still read what was written for them."""
        here = set(self.names())
        return [key for key in self.trust.keys if "recipient" in key.roles and key.name in here]


def default_folder() -> Path:
    """$DRSTACK_KEYS, else the user's configuration folder."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "drstack" / "keys"


def find_keyring(folder: Path | None = None) -> Keyring | None:
    """The keys in `folder`, in $DRSTACK_KEYS, or in the user's folder; None where nobody named one and there is none."""
    chosen = folder or default_folder()
    if folder is None and not os.environ.get(ENVIRONMENT) and not (chosen / FILE).exists():
        return None
    return Keyring(chosen)


def from_machine() -> Unlocking:
    """Passphrases from the file that $DRSTACK_PASSPHRASE_FILE names, else asked for at a terminal."""
    return Unlocking(passphrase=_passphrase, kms=kms_at)


def read_passphrase(path: Path) -> bytes:
    """The first line of a file, without its end."""
    try:
        line = path.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise KeyLocked(f"passphrase file {path}: {error.strerror or error}") from error
    if not line:
        raise KeyLocked(f"passphrase file {path} is empty")
    return line


def _passphrase(name: str) -> bytes:
    file = os.environ.get(PASSPHRASE_FILE)
    if file:
        return read_passphrase(Path(file))
    if not sys.stdin.isatty():
        raise KeyLocked(
            f"key {name} is under a passphrase", hint=f"Put it into a file and name that in {PASSPHRASE_FILE}."
        )
    return getpass(f"passphrase of key {name}: ").encode()
