"""A private key's file: one seed, protected, beside the names of what it is for. Mode 0600 or it is not used."""

from __future__ import annotations

import stat
from pathlib import Path  # noqa: TC003 - pydantic and callers read it
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from replicator.crypto.protection import Protection, expose, protect
from replicator.crypto.roles import Role
from replicator.crypto.suites import suite_named
from replicator.crypto.suites.suite import SEED_BYTES
from replicator.crypto.trust import Name, TrustedKey, write_whole
from replicator.errors import KeyAbsent, KeyLocked, ReplicatorError
from replicator.json_text import read_json

if TYPE_CHECKING:
    from replicator.crypto.protection import Unlocking

SUFFIX = ".key"


class KeyFile(BaseModel):
    """`scope` is the trust file's: a key is for one family of repositories."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    name: Name
    scope: str
    suite: str
    roles: tuple[Role, ...]
    protection: Protection
    secret: str

    def seed(self, unlocking: Unlocking) -> bytes:
        """KeyLocked if it cannot be had."""
        context = _context(self.name, self.scope, self.suite)
        seed = expose(self.protection, self.secret, context, unlocking, self.name)
        if len(seed) != SEED_BYTES:
            raise KeyLocked(f"key {self.name}: its file is damaged: {len(seed)} bytes")
        return seed


def make_key(
    name: str, roles: tuple[Role, ...], *, scope: str, suite: str, seed: bytes, how: bytes | str | None,
    unlocking: Unlocking,
) -> tuple[KeyFile, TrustedKey]:  # fmt: skip
    """The file of a key, and its line for the trust file. `how` protects it (`replicator.crypto.protection`)."""
    try:
        protection, secret = protect(seed, _context(name, scope, suite), how, unlocking)
        file = KeyFile(name=name, scope=scope, suite=suite, roles=roles, protection=protection, secret=secret)
        return file, TrustedKey(name=name, roles=roles, public=suite_named(suite).public(seed))
    except ValidationError as error:
        raise ReplicatorError(
            f"{name!r} is no name for a key", hint="Letters, digits, dots, dashes, underscores and @; at most 127."
        ) from error


def write_key(folder: Path, key: KeyFile) -> Path:
    """A new file in `folder`. ReplicatorError if a key of the name is there."""
    path = folder / f"{key.name}{SUFFIX}"
    if path.exists():
        raise ReplicatorError(f"{path} is there already", hint="Give the new key another name.")
    write_whole(path, (key.model_dump_json(indent=1) + "\n").encode(), mode=0o600)
    return path


def read_key(folder: Path, name: str) -> KeyFile:
    """KeyAbsent, or KeyLocked where others could read it or it is damaged."""
    path = folder / f"{name}{SUFFIX}"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyLocked(f"{path} can be read by others (mode {mode:03o})", hint=f"chmod 600 {path}")
        found = read_json(KeyFile, path.read_bytes())
    except FileNotFoundError as error:
        raise KeyAbsent(f"{path}: no such key") from error
    except OSError as error:
        raise KeyLocked(f"{path}: {error.strerror or error}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise KeyLocked(f"{path}: {field}: {problem['msg']}") from error
    if found.name != name:
        raise KeyLocked(f"{path} holds key {found.name}", hint=f"Name it {found.name}{SUFFIX}")
    return found


def keys_in(folder: Path) -> list[str]:
    """Names of the private keys there."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))


def _context(name: str, scope: str, suite: str) -> dict[str, str]:
    return {"drstack-key": name, "drstack-scope": scope, "drstack-suite": suite}
