"""The repositories that `replicator watch` ships to: opened, or made where there is none.

Invariant: one that the spool shipped to before is never made anew. A disk that is not mounted, or a prefix mistyped
after a restart, would otherwise become a second, empty history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from replicator.errors import ReplicatorError, RepositoryUnknown, StoreUnavailable
from replicator.repository.establish import establish, open_at
from replicator.repository.plain import warn_if_plain
from replicator.repository.repository import random_token
from replicator.stores.url import is_absent_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from replicator.crypto.keyring import Keyring
    from replicator.repository.repository import Repository

_REPOSITORIES = "repositories.json"
_Known = TypeAdapter(dict[str, str])


def open_or_make(
    url: str, spool: Path, *, create: bool, tell: Callable[[str], None], keys: Keyring | None = None
) -> Repository:
    """The repository at `url`, made if there is none.

    One that this spool shipped to before is never made anew: its disk may only not be mounted.
    """
    repository = open_at(url, keys, memory=spool / ".manifests")
    known = repository.store.url in _known(spool)
    try:
        repository.format()
    except (RepositoryUnknown, StoreUnavailable) as error:
        missing = isinstance(error, RepositoryUnknown) or is_absent_folder(url)
        if known or not create or not missing:
            raise
        suite = establish(url, keys).suites.crypto
        tell(f"{repository.store.url}: there was no repository; made one" + ("" if keys is None else f" ({suite})"))
    warn_if_plain(repository, lambda text: tell(f"warning: {text}"))
    return repository


def _known(spool: Path) -> dict[str, str]:
    """By URL, the repositories that this spool shipped to, and their ids."""
    path = spool / _REPOSITORIES
    try:
        return _Known.validate_json(path.read_bytes()) if path.exists() else {}
    except ValueError as error:
        raise ReplicatorError(f"{path} cannot be read: {error}", hint="Move that file away.") from error


def latecomers(spool: Path, repositories: Sequence[Repository]) -> list[str]:
    """URLs of those that this spool never shipped to, though it shipped to others: they miss what went there."""
    known = _known(spool)
    return [each.store.url for each in repositories if known and each.store.url not in known]


def remember(spool: Path, repositories: Sequence[Repository]) -> None:
    """Note that this spool ships to `repositories` too."""
    path = spool / _REPOSITORIES
    staged = path.with_name(f".{path.name}.{random_token()[:8]}")
    ids = {each.store.url: each.format().repository for each in repositories}
    staged.write_bytes(_Known.dump_json({**_known(spool), **ids}))
    staged.replace(path)
