"""Making a repository, plain or of a family of keys, and opening it where it is made.

Invariant: the trust file lists a repository before it exists, so that no encrypted one is ever without its keys.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from replicator.crypto.suites import NONE
from replicator.crypto.trust import TrustedRepository
from replicator.errors import ReplicatorError, RepositoryUnknown, Untrusted
from replicator.repository.format import initialise, read_format
from replicator.repository.repository import Repository, random_token
from replicator.stores.deadline import DeadlineStore
from replicator.stores.url import make_folder, open_store

if TYPE_CHECKING:
    from replicator.crypto.keyring import Keyring
    from replicator.repository.format import Format


def open_at(
    url: str, keys: Keyring | None, *, name: str | None = None, memory: Path | None = None, limit_s: float | None = None
) -> Repository:
    """The repository at `url`, without asking it anything yet. `name` is its site's, by default the URL.

    With `limit_s` no call to its store takes longer.
    """
    store = open_store(url)
    within = store if limit_s is None else DeadlineStore(store, limit_s=limit_s)
    return Repository(name or url, within, keys=keys, memory=memory)


def establish(url: str, keys: Keyring | None, suite: str | None = None) -> Format:
    """Make the repository, or find it made: of `suite`, by default the keys' own, and plain where there are none.

    One that is there keeps its suite; Untrusted if another is asked for, or the trust file does not vouch for it.
    """
    make_folder(url)
    store = open_store(url)
    wanted = suite or (keys.trust.suite if keys else NONE)
    there = _there(url)
    if there is None:
        if wanted != NONE and keys is None:
            raise ReplicatorError(f"{url}: suite {wanted} needs keys", hint="replicator init makes both.")
        repository = random_token()
        if keys is not None:
            keys.admit(TrustedRepository(id=repository, url=store.url, suite=wanted))
        there = initialise(
            store, environment=None, witness=None, clock=time.time, token=lambda: repository, suite=wanted
        )
    if suite is not None and there.suites.crypto != suite:
        raise Untrusted(
            f"{url} uses suite {there.suites.crypto}, not {suite}",
            hint="A repository keeps its suite: make another one.",
        )
    if keys is not None and there.suites.crypto == NONE and suite == NONE:
        keys.admit(TrustedRepository(id=there.repository, url=store.url, suite=NONE))
    open_at(url, keys).format()
    return there


def is_there(url: str) -> bool:
    """Whether `url` holds a repository, of whatever suite."""
    return _there(url) is not None


def require_outside(folder: Path, url: str) -> None:
    """ReplicatorError if `folder` lies in the repository: keys beside what they lock are no lock."""
    split = urlsplit(url)
    if split.scheme not in ("", "file"):
        return
    inside = Path(unquote(split.path)).absolute().resolve()
    if folder.absolute().resolve().is_relative_to(inside):
        raise ReplicatorError(f"{folder} lies in the repository {url}", hint="Name a folder outside of it with --keys.")


def _there(url: str) -> Format | None:
    try:
        return read_format(open_store(url))
    except RepositoryUnknown as error:
        if "holds no repository" not in str(error):
            raise
        return None
