"""A local site's keys, `keys/` in its folder: a copy of the trust file, and the private keys that this site may hold.

They are copied from the operator's folder when the site is made, and never back. Invariant: only keys named for the site
are there, for its own user alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from drstack.custody.ring import SITES
from drstack.platforms.local.folder import SiteFolder
from drstack.spec.keys import number_of, site_of
from replicator.crypto.keyfile import SUFFIX, read_key
from replicator.crypto.keyring import Keyring
from replicator.crypto.trust import FILE, read_trust, write_trust, write_whole
from replicator.errors import KeyAbsent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.crypto.trust import Trust


def place_keys(folder: SiteFolder, custody: Path, site: str) -> Keyring:
    """Have the site's keys in its folder, each tried. KeyAbsent, KeyLocked, Untrusted, with what to do."""
    trust = read_trust(custody)
    known = [key.name for key in trust.keys if site_of(key.name) == site and key.revoked is None]
    last = max(map(number_of, known), default=1)
    mine = [name for name in known if number_of(name) == last]  # others are being replaced
    if not mine:
        raise KeyAbsent(
            f"{custody / FILE} knows no key of site {site}", hint="drstack keys make ENV makes those that are missing."
        )
    folder.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in mine:
        if not (folder.keys / f"{name}{SUFFIX}").exists():
            _copy(name, custody / SITES / site, folder.keys, site)
    update_trust(folder, trust)
    ring = Keyring(folder.keys)
    for name in mine:
        ring.seed(name)
    return ring


def forget_keys(folder: SiteFolder, names: Iterable[str]) -> None:
    """Remove private keys that the site is not to use any more; its services notice."""
    for name in names:
        (folder.keys / f"{name}{SUFFIX}").unlink(missing_ok=True)


def update_trust(folder: SiteFolder, trust: Trust) -> None:
    """Have the site's copy of the trust file say the same."""
    if not (folder.keys / FILE).exists() or read_trust(folder.keys) != trust:
        write_trust(folder.keys, trust)


def spread_trust(trust: Trust) -> list[str]:
    """Bring the trust file to every local site that it lists and that has one. Names of the folders that changed."""
    changed: list[str] = []
    for repository in trust.repositories:
        parts = urlsplit(repository.url)
        folder = SiteFolder(Path(unquote(parts.path)).parent)
        if parts.scheme == "file" and (folder.keys / FILE).exists() and read_trust(folder.keys) != trust:
            write_trust(folder.keys, trust)
            changed.append(str(folder.path))
    return changed


def site_keys(folder: SiteFolder) -> Keyring | None:
    """The site's keys; None where its repository is plain."""
    return Keyring(folder.keys) if folder.keys.is_dir() else None


def _copy(name: str, source: Path, target: Path, site: str) -> None:
    try:
        body = read_key(source, name).model_dump_json(indent=1) + "\n"
    except KeyAbsent as error:
        raise KeyAbsent(
            f"site {site} has no {name}{SUFFIX} in {target}, and there is none in {source}",
            hint=f"Copy it to one of both, or give the site new keys: drstack keys rotate ENV {site}",
        ) from error
    write_whole(target / f"{name}{SUFFIX}", body.encode(), mode=0o600)
