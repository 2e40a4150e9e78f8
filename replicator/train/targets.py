"""The repositories that a training process ships to or restores from, opened for one workload.

Decides nothing about terms: `replicator.service.once.open_for` does, so that a trainer may write exactly where a push
by hand may.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from typing import TYPE_CHECKING

import structlog

from replicator.crypto.keyring import find_keyring
from replicator.errors import ReplicatorError
from replicator.repository.establish import open_at
from replicator.repository.plain import warn_if_plain
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.repository.repository import Repository

log = logging.getLogger("replicator.train")
_warned: set[str] = set()
_warning = threading.Lock()


def urls_of(repo: str | Sequence[str]) -> tuple[str, ...]:
    """One URL or several, as a tuple. ReplicatorError if there is none, or one twice."""
    urls = (repo,) if isinstance(repo, str) else tuple(repo)
    if not urls or len(set(urls)) != len(urls) or not all(urls):
        raise ReplicatorError(
            f"repo={repo!r} names no repository, or one twice",
            hint='Give a URL, or a list of them: repo="s3://bucket/prefix?region=eu-central-1".',
        )
    return urls


def open_repositories(urls: Sequence[str]) -> list[Repository]:
    """The repositories, without asking them anything; each is for one thread."""
    quiet_stdout()
    keys = find_keyring()
    return [open_at(url, keys, name=name_of(url)) for url in urls]


def name_of(url: str) -> str:
    """A name for a repository that can be a file's, and is the same at every start."""
    shown = re.sub(r"[^A-Za-z0-9]+", "-", open_store(url).url).strip("-")[-40:]
    return f"{shown}-{hashlib.blake2b(url.encode(), digest_size=3).hexdigest()}"


def say_if_plain(repository: Repository) -> None:
    """Once per process and repository: nothing in it is encrypted. RepositoryUnknown, StoreError."""
    warn_if_plain(repository, _warn_once)


def _warn_once(text: str) -> None:
    with _warning:
        if text in _warned:
            return
        _warned.add(text)
    log.warning("%s", text)


def quiet_stdout() -> None:
    """Send the replicator's own lines through `logging`, where the trainer's are; stdout stays the trainer's."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.KeyValueRenderer(key_order=["event"], drop_missing=True),
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )
