"""`format.json`: what a repository is, so that a reader knows whether it can read it.

It is made once and never changed; the suites named in it are a hint to readers, not a promise of a minimum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic import ConfigDict, ValidationError

from replicator.crypto.suites import NONE, SUITES
from replicator.errors import KeyMissing, RepositoryUnknown, TooNew
from replicator.json_text import parse_json
from replicator.log.claim import claim
from replicator.log.records import canonical
from replicator.model import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.stores.store import ObjectStore

KEY = "format.json"
VERSION = 1


class Suites(Frozen):
    """`crypto` encrypts packs and manifests, `signature` signs entries, `digest` names content."""

    crypto: str = "none"
    signature: str = "none"
    digest: str = "blake3"


class Format(Frozen):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    format: int
    repository: str
    """A random id."""
    environment: str | None
    witness: str | None
    suites: Suites
    created_at: float


def initialise(
    store: ObjectStore,
    *,
    environment: str | None,
    witness: str | None,
    clock: Callable[[], float],
    token: Callable[[], str],
    suite: str = NONE,
) -> Format:
    """Make the repository, or find it made. RepositoryUnknown if it belongs to another environment."""
    try:
        there = read_format(store)
    except RepositoryUnknown:
        made = Format(
            format=VERSION, repository=token(), environment=environment, witness=witness,
            suites=Suites(crypto=suite, signature=suite), created_at=clock(),
        )  # fmt: skip
        there = _parse(claim(store, KEY, canonical(made.model_dump(mode="json"))).found, store.url)
    if environment is not None and there.environment not in (None, environment):
        raise RepositoryUnknown(
            f"{store.url} belongs to environment {there.environment}, not {environment}",
            hint="Give each environment a store, or a prefix, of its own.",
        )
    return there


def read_format(store: ObjectStore) -> Format:
    """RepositoryUnknown if there is none; TooNew if it is one of a later version."""
    try:
        stored = store.get(KEY)
    except KeyMissing as error:
        raise RepositoryUnknown(f"{store.url} holds no repository") from error
    return _parse(stored, store.url)


def _parse(stored: bytes, url: str) -> Format:
    try:
        told = cast("dict[str, Any]", parse_json(stored))
        version, release = told["format"], str(told.get("release", ""))
        if version != VERSION:
            raise TooNew(
                f"{url} has format {version}; this version reads {VERSION}, and wrote nothing there",
                hint=f"Use drstack {release} or newer for it." if release else "Use a newer drstack for it.",
            )
        found = Format.model_validate_json(stored)
    except ValidationError as error:
        if all(each["type"] == "extra_forbidden" for each in error.errors()):
            raise _too_new(url, ", ".join(str(each["loc"][-1]) for each in error.errors())) from error
        raise _unreadable(url, error) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unreadable(url, error) from error
    known = found.suites.crypto in (NONE, *SUITES) and found.suites.digest == "blake3"
    if not known or found.suites.crypto != found.suites.signature:
        raise _too_new(url, found.suites)
    return found


def _too_new(url: str, suites: object) -> TooNew:
    return TooNew(f"{url} uses suites that this version does not know: {suites}", hint="Use a newer drstack for it.")


def _unreadable(url: str, error: Exception) -> RepositoryUnknown:
    return RepositoryUnknown(f"{url}: {KEY} cannot be read: {error}", hint="Put it back from a peer.")
