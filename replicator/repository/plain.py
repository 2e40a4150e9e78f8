"""What is said of a repository that protects nothing, wherever one is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.crypto.suites import NONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.repository.repository import Repository


def warn_if_plain(repository: Repository, warn: Callable[[str], None]) -> None:
    """Says through `warn` where nothing in it is encrypted or signed. RepositoryUnknown, KeyAbsent, Untrusted, StoreError."""
    if repository.format().suites.crypto == NONE:
        warn(f"{repository.store.url} is NOT encrypted and NOT signed (crypto: none)")
