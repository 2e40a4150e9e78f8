"""The keys at hand: a folder with the trust file and those private keys that this machine is meant to hold.

A training node holds the writer's, a standby its verifier's and a recipient's, a safe the escrow recipient's. What is
not there is asked for by name, when it is needed.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
import time
from contextlib import contextmanager
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
    from collections.abc import Generator, Iterable, Sequence

    from replicator.crypto.roles import Role
    from replicator.crypto.trust import Trust, TrustedKey, TrustedRepository

ENVIRONMENT = "DRSTACK_KEYS"
PASSPHRASE_FILE = "DRSTACK_PASSPHRASE_FILE"  # noqa: S105 - names a variable
_LOCK_S = 10.0


class Keyring:
    """The trust file and private keys of `folder`, each read and unlocked at its first use. Safe for threads.

    `also`: further folders of private keys; whom to trust is said by `folder` alone. A trust file that is replaced
    counts from then on, for who goes on running too.
    """

    def __init__(self, folder: Path, *, unlocking: Unlocking | None = None, also: Sequence[Path] = ()) -> None:
        self.folder = folder
        self._folders = (folder, *also)
        self._unlocking = unlocking or from_machine()
        self._seeds: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._read = _written(folder)
        self._trust = read_trust(folder)

    @property
    def trust(self) -> Trust:
        """KeyAbsent, Untrusted if it is gone or damaged by now."""
        written = _written(self.folder)
        if written != self._read:
            self._trust, self._read = read_trust(self.folder), written
        return self._trust

    def replace(self, trust: Trust) -> None:
        """Write the trust file anew."""
        write_trust(self.folder, trust)

    def admit(self, repository: TrustedRepository) -> None:
        """List a repository in the trust file."""
        with locked(self.folder):
            before = read_trust(self.folder)
            listed = before.listing(repository)
            if listed != before:
                self.replace(listed)

    def names(self) -> list[str]:
        """The private keys at hand, whether the trust file knows them or not."""
        return sorted({name for folder in self._folders for name in keys_in(folder)})

    def seed(self, name: str) -> bytes:
        """KeyAbsent, KeyLocked; also where the trust file's public halves are those of another key."""
        with self._lock:
            if name not in self._seeds:
                folder = next((each for each in self._folders if name in keys_in(each)), self.folder)
                seed = read_key(folder, name).seed(self._unlocking)
                trusted = self.trust.key(name)
                if trusted is not None and suite_named(self.trust.suite).public(seed) != trusted.public:
                    raise KeyLocked(
                        f"key {name} in {folder} is not the one that {self.folder / FILE} names so",
                        hint="Put the key back from a copy of its own, or the trust file.",
                    )
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


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Nobody else on this machine changes the folder's trust file meanwhile. KeyLocked after 10 s."""
    ends_at = time.monotonic() + _LOCK_S
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while not _taken(handle):
            if time.monotonic() > ends_at:
                raise KeyLocked(f"{folder / FILE} is being changed by another process", hint="Run the command again.")
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _written(folder: Path) -> tuple[int, int, int] | None:
    try:
        found = (folder / FILE).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


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
