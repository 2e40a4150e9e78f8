"""The first keys of a family of repositories: one for each role, two recipients in separate custody, a trust file."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.crypto.keyfile import make_key, write_key
from replicator.crypto.roles import SIGNERS
from replicator.crypto.sheet import Sheet, as_html, as_text, fingerprint, to_lines
from replicator.crypto.suites import DEFAULT, SUITES
from replicator.crypto.suites.suite import SEED_BYTES
from replicator.crypto.trust import FILE, checked, write_trust, write_whole
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from replicator.crypto.keyfile import KeyFile
    from replicator.crypto.protection import Unlocking
    from replicator.crypto.roles import Role
    from replicator.crypto.trust import Trust, TrustedKey, TrustedRepository

RECIPIENTS = ("operator", "escrow")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to make. `below`: the folder for its private half, relative to the keys' own."""

    name: str
    role: Role
    below: str = ""
    on_paper: bool = False
    """Whether it is in custody: protected as asked for, and printed on a sheet."""


ALONE: tuple[Wanted, ...] = (
    *(Wanted(role, role) for role in SIGNERS),
    *(Wanted(name, "recipient", on_paper=True) for name in RECIPIENTS),
)
"""The keys of repositories that belong to no environment."""


@dataclass(frozen=True, slots=True)
class Founded:
    """`files` are the private keys' paths, by name; `seeds` those in custody, for their sheets."""

    trust: Trust
    files: dict[str, Path]
    seeds: dict[str, bytes]


def found(
    folder: Path,
    *,
    scope: str,
    how: bytes | str | None,
    unlocking: Unlocking,
    suite: str = DEFAULT,
    wanted: Sequence[Wanted] = ALONE,
    repositories: Sequence[TrustedRepository] = (),
) -> Founded:
    """Make keys and trust file in `folder`. `how` protects those in custody; the others have to work unattended.

    ReplicatorError if the folder holds keys already: none is ever overwritten.
    """
    if folder.exists() and any(path.name == FILE or path.suffix == ".key" for path in folder.iterdir()):
        raise ReplicatorError(f"{folder} holds keys already", hint="Name another folder with --keys.")
    if suite not in SUITES:
        raise ReplicatorError(f"{suite!r} is no suite", hint=f"One of: {', '.join(SUITES)}, none.")
    made = make(wanted, scope=scope, suite=suite, how=how, unlocking=unlocking)
    keys = [each.public.model_dump() for each in made]
    listed = [each.model_dump() for each in repositories]
    trust = checked({"scope": scope, "suite": suite, "keys": keys, "repositories": listed})
    files = {each.file.name: write_key(folder / each.wanted.below, each.file) for each in made}
    write_trust(folder, trust)
    return Founded(trust, files, {each.wanted.name: each.seed for each in made if each.wanted.on_paper})


@dataclass(frozen=True, slots=True)
class Made:
    """A key that lies nowhere yet."""

    wanted: Wanted
    file: KeyFile
    public: TrustedKey
    seed: bytes = field(repr=False)


def make(
    wanted: Sequence[Wanted], *, scope: str, suite: str, how: bytes | str | None, unlocking: Unlocking
) -> list[Made]:
    """Draw keys. `how` protects those in custody. Writes nothing."""
    drawn: list[Made] = []
    for each in wanted:
        seed = secrets.token_bytes(SEED_BYTES)
        protection = how if each.on_paper else None
        file, public = make_key(
            each.name, (each.role,), scope=scope, suite=suite, seed=seed, how=protection, unlocking=unlocking
        )
        drawn.append(Made(each, file, public, seed))
    return drawn


def sheet_of(trust: Trust, key: TrustedKey, seed: bytes) -> Sheet:
    """The recovery sheet of a recipient."""
    urls = tuple(each.url for each in trust.repositories)
    return Sheet(key.name, trust.scope, trust.suite, urls, fingerprint(key.public), to_lines(seed))


def write_sheets(folder: Path, trust: Trust, seeds: Mapping[str, bytes]) -> Path:
    """Recovery sheets of these recipients, as text and as a page to print, for their owner's eyes alone. Their folder."""
    sheets = folder / "sheets"
    for name, seed in seeds.items():
        key = trust.key(name)
        if key is None:
            raise ReplicatorError(f"the trust file knows no recipient {name}")
        sheet = sheet_of(trust, key, seed)
        write_whole(sheets / f"{name}.txt", as_text(sheet).encode(), mode=0o600)
        write_whole(sheets / f"{name}.html", as_html(sheet).encode(), mode=0o600)
    return sheets
