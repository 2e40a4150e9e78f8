"""A pin held while a checkpoint is being read, so that no keeper drops it meanwhile (DESIGN, rule 6)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from replicator.errors import KeyAbsent, NotOpen, Sealed, StoreError

if TYPE_CHECKING:
    from collections.abc import Generator

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


@contextmanager
def pinned(repository: Repository, workload: str, accepted: Accepted, *, reason: str) -> Generator[bool]:
    """Pin the commit for the time of the block. Yields False where no pin can be written.

    That is: read-only, sealed, or no key at hand that may sign it.
    """
    log = repository.log(workload)
    name = f"read-{repository.token()[:16]}"
    term = log.view().term
    try:
        log.pin(name, accepted.what.id(), reason=reason, term=term)
        held = True
    except (Sealed, NotOpen, KeyAbsent):
        held = False
    except StoreError:
        held = False
    try:
        yield held
    finally:
        if held:
            try:
                log.unpin(name, term=term)
            except (Sealed, NotOpen):
                held = False


def as_it_is_now(repository: Repository, workload: str, accepted: Accepted) -> Accepted:
    """The commit as the log says it, read once its pin stands: a compaction may have encoded it anew before that."""
    return repository.log(workload).view().accepted.get(accepted.what.id(), accepted)
