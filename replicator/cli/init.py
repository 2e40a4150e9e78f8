"""`replicator init`: make a repository, encrypted and signed unless told otherwise, and the keys that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replicator.cli.options import Json, Keys, Protect, Repo, protection_of, say, warn

if TYPE_CHECKING:
    from replicator.crypto.founding import Founded
    from replicator.crypto.keyring import Keyring

Crypto = Annotated[
    str | None,
    typer.Option("--crypto", help="Suite: drstack-hybrid-1 (default), or none: neither encrypted nor signed."),
]


def init(repo: Repo, crypto: Crypto = None, keys: Keys = None, protect: Protect = None, *, json: Json = False) -> None:
    """Make a repository that belongs to no environment yet. A second time changes nothing.

    Where the keys' folder is empty, makes the keys too: one for each role, and two recipients with a recovery sheet each.
    """
    from replicator.crypto.suites import NONE
    from replicator.repository.establish import establish, is_there, open_at
    from replicator.repository.plain import warn_if_plain
    from replicator.stores.url import make_folder

    make_folder(repo)
    made: Founded | None = None
    ring = _ring(keys)
    plain = crypto == NONE or (crypto is None and ring is None and is_there(repo))
    if not plain and ring is None:
        ring, made = _found(repo, keys, crypto, protect)
    found = establish(repo, ring, crypto)
    repository = open_at(repo, ring)
    warn_if_plain(repository, warn)
    suite = found.suites.crypto
    document: dict[str, object] = {
        "repository": found.repository, "url": repository.store.url, "suite": suite,
        "keys": str(ring.folder) if ring else None,
    }  # fmt: skip
    lines = [f"{repository.store.url} is ready" if suite == NONE else f"{repository.store.url}: encrypted ({suite})"]
    if made is not None and ring is not None:
        lines += _sheets(ring, made)
    say(document, "\n".join(lines), as_json=json)


def _ring(folder: Path | None) -> Keyring | None:
    from replicator.crypto.keyring import Keyring, default_folder
    from replicator.crypto.trust import FILE

    chosen = folder or default_folder()
    return Keyring(chosen) if (chosen / FILE).exists() else None


def _found(repo: str, folder: Path | None, suite: str | None, protect: str | None) -> tuple[Keyring, Founded]:
    from replicator.crypto.founding import found
    from replicator.crypto.keyring import Keyring, default_folder, from_machine
    from replicator.crypto.suites import DEFAULT
    from replicator.errors import KeyAbsent
    from replicator.repository.establish import is_there, require_outside
    from replicator.repository.repository import random_token

    chosen = folder or default_folder()
    require_outside(chosen, repo)
    if is_there(repo):
        raise KeyAbsent(f"{repo} is there already, and {chosen} holds no keys for it")
    made = found(
        chosen, scope=random_token(), how=protection_of(protect), unlocking=from_machine(), suite=suite or DEFAULT
    )
    return Keyring(chosen), made


def _sheets(ring: Keyring, made: Founded) -> list[str]:
    """Write the recovery sheets; what to put where, line by line."""
    from replicator.crypto.founding import write_sheets

    folder = write_sheets(ring.folder, ring.trust, made.seeds)
    where = ring.folder
    warn(f"without a recipient's key nobody can restore. {where} holds the only copies")
    return [
        f"keys are in {where}; none is in the repository",
        f"  print    {folder}/operator.html and escrow.html, keep them apart from each other, then delete {folder}",
        f"  move     {where}/escrow.key to another custody: a safe, another person",
        f"  copy     {where}/trust.json beside each sheet, and to every machine below (it is not secret)",
        f"  trainer  needs {where}/writer.key, and neither recipient's",
        "  standby  needs verifier.key and keeper.key, and operator.key to restore; promoter.key promotes",
        "not ready before a recipient has restored something: replicator restore latest --repo … --to FOLDER",
    ]
