"""Repositories as the kinds open and make them: plain, or of the family whose keys an operator's folder holds.

Invariant: the trust file lists a repository, at every site that has a copy, before it exists; one of another family, or of
another suite, is never taken over in silence.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drstack.custody.ring import SEEN, open_folder
from drstack.platforms.local.keys import spread_trust
from drstack.provider.reach import clock, token
from replicator.crypto.keyring import locked
from replicator.crypto.suites import NONE
from replicator.crypto.trust import TrustedRepository
from replicator.errors import KeyAbsent, RepositoryUnknown, Untrusted
from replicator.repository.format import initialise, read_format
from replicator.repository.repository import Repository
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from replicator.crypto.keyring import Keyring
    from replicator.repository.format import Format

_BRING_OVER = (
    "Give the site a `folder` of its own. What that repository holds is brought over by replicator restore with its own keys, "
    "and replicator push --writer SITE with the site's (docs/operations/keys.md)."
)


def keys_at(folder: str | None, environment: str) -> Keyring | None:
    """The operator's keys; None where nothing is encrypted. KeyAbsent, Untrusted."""
    return None if folder is None else open_folder(Path(folder), environment)


def open_with(url: str, keys: Keyring | None, name: str = "") -> Repository:
    """Opening asks the repository nothing."""
    memory = keys.folder / SEEN if keys is not None else None
    return Repository(name or url, open_store(url), clock=clock, token=token, keys=keys, memory=memory)


def make_or_find(url: str, keys: Keyring | None, *, environment: str, witness: str, name: str) -> Repository:
    """The repository, made if there is none. RepositoryUnknown if it is another environment's; Untrusted, KeyAbsent."""
    repository = open_with(url, keys, name)
    suite, identity = NONE, token()
    if keys is not None and not _is_there(repository):
        suite, identity = keys.trust.suite, _listed(keys, repository.store.url)
    initialise(
        repository.store, environment=environment, witness=witness, clock=clock, token=lambda: identity, suite=suite
    )
    require_ours(repository)
    return repository


def require_ours(repository: Repository) -> Format:
    """What the repository is, if the keys at hand are its own. Untrusted, KeyAbsent, saying what to do; RepositoryUnknown."""
    found = read_format(repository.store)
    url, suite = repository.store.url, found.suites.crypto
    if repository.keys is not None and suite == NONE:
        raise Untrusted(
            f"{url} is neither encrypted nor signed, and the environment is: a repository keeps its suite",
            hint="To go on as it was, take encrypt_to out of the environment file. " + _BRING_OVER,
        )
    try:
        return repository.format()
    except Untrusted as error:
        raise Untrusted(f"{error}: it is not of this environment's keys", hint=_BRING_OVER) from error
    except KeyAbsent as error:
        hint = f"If it is this environment's, write encrypt_to as it was. {_BRING_OVER}"
        raise KeyAbsent(
            f"{url} is encrypted and signed ({suite}), and the environment file names no recipients", hint=hint
        ) from error


def _is_there(repository: Repository) -> bool:
    try:
        read_format(repository.store)
    except RepositoryUnknown as error:
        if "holds no repository" not in str(error):
            raise
        return False
    return True


def _listed(keys: Keyring, url: str) -> str:
    """The id that the trust file has for a repository that is about to be made.

    A new one where the repository of that id was seen before: what is made again is not what was there.
    """
    with locked(keys.folder):
        trust = keys.trust
        known = next((each for each in trust.repositories if each.url == url), None)
        if known is None or (keys.folder / SEEN / known.id).exists():
            known = TrustedRepository(id=token(), url=url, suite=trust.suite)
            others = tuple(each for each in trust.repositories if each.url != url)
            keys.replace(trust.model_copy(update={"repositories": (*others, known)}))
    spread_trust(keys.trust)
    return known.id
