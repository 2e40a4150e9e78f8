"""The first keys of a family of repositories: one for each role, two recipients in separate custody, a trust file."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.crypto.keyfile import KeyFile, make_key, write_key
from replicator.crypto.roles import SIGNERS
from replicator.crypto.sheet import Sheet, fingerprint, to_lines
from replicator.crypto.suites import DEFAULT, SUITES
from replicator.crypto.suites.suite import SEED_BYTES
from replicator.crypto.trust import FILE, checked, write_trust
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.crypto.protection import Unlocking
    from replicator.crypto.roles import Role
    from replicator.crypto.trust import Trust, TrustedKey

RECIPIENTS = ("operator", "escrow")


@dataclass(frozen=True, slots=True)
class Founded:
    """`files` are the private keys' paths, by name; `seeds` those of the recipients, for their sheets."""

    trust: Trust
    files: dict[str, Path]
    seeds: dict[str, bytes]


def found(folder: Path, *, scope: str, how: bytes | str | None, unlocking: Unlocking, suite: str = DEFAULT) -> Founded:
    """Make keys and trust file in `folder`. `how` protects the recipients' keys; signing keys have to work unattended.

    ReplicatorError if the folder holds keys already: none is ever overwritten.
    """
    if folder.exists() and any(path.name == FILE or path.suffix == ".key" for path in folder.iterdir()):
        raise ReplicatorError(f"{folder} holds keys already", hint="Name another folder with --keys.")
    if suite not in SUITES:
        raise ReplicatorError(f"{suite!r} is no suite", hint=f"One of: {', '.join(SUITES)}, none.")
    made: list[tuple[KeyFile, TrustedKey]] = []
    seeds: dict[str, bytes] = {}
    wanted: list[tuple[str, Role]] = [(role, role) for role in SIGNERS]
    for name in RECIPIENTS:
        wanted.append((name, "recipient"))
    for name, role in wanted:
        seed = secrets.token_bytes(SEED_BYTES)
        reads = role == "recipient"
        made.append(
            make_key(
                name, (role,), scope=scope, suite=suite, seed=seed, how=how if reads else None, unlocking=unlocking
            )
        )
        if reads:
            seeds[name] = seed
    trust = checked({"scope": scope, "suite": suite, "keys": [public.model_dump() for _, public in made]})
    files = {file.name: write_key(folder, file) for file, _ in made}
    write_trust(folder, trust)
    return Founded(trust, files, seeds)


def sheet_of(trust: Trust, key: TrustedKey, seed: bytes) -> Sheet:
    """The recovery sheet of a recipient."""
    urls = tuple(each.url for each in trust.repositories)
    return Sheet(key.name, trust.scope, trust.suite, urls, fingerprint(key.public), to_lines(seed))
