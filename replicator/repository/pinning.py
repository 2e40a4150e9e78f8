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
def pinned(
    repository: Repository, workload: str, accepted: Accepted, *, reason: str, kind: str = "read-"
) -> Generator[bool]:
    """Pin the commit for the time of the block. Yields False where no pin can be written.

    That is: read-only, sealed, or no key at hand that may sign it. `kind` begins the pin's name; replicators stop
    sending for one that begins with `read-` (service/yielding.py).
    """
    log = repository.log(workload)
    name = f"{kind}{repository.token()[:16]}"
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


DRILL = "drill-"
"""How pins of drills begin: nobody waits for them."""


def as_it_is_now(repository: Repository, workload: str, accepted: Accepted) -> Accepted:
    """The commit as the log says it, read once its pin stands: a compaction may have encoded it anew before that."""
    return repository.log(workload).view().accepted.get(accepted.what.id(), accepted)


def let_go(repository: Repository, workload: str, kind: str) -> list[str]:
    """Take back the pins of a kind that a process left which was killed; their names. Nothing where none may be written."""
    log = repository.log(workload)
    view = log.view()
    left = sorted(name for name in view.pins if name.startswith(kind))
    try:
        for name in left:
            log.unpin(name, term=view.term, reason="left by a process that is gone")
    except (Sealed, NotOpen, KeyAbsent):
        return []
    return left
