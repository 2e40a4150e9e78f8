"""How far each log was seen to reach: a log that ends before that, or says otherwise there, was rolled back (rule 11).

Evidence comes from three sides: what this machine saw before, anchors that somebody else kept, and receipts of slots
that the log no longer has. A log that was rolled back is blocked: nothing newest is chosen from it, nothing written to
it, until `replicator repair` has put back what is missing.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, TypeAdapter

from replicator.errors import ReplicatorError, RolledBack
from replicator.model import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.repository.repository import Repository


class Head(Frozen):
    """Slot `n` of a log held the record with this digest."""

    n: int = Field(ge=1)
    digest: str


_Heads = TypeAdapter(dict[str, Head])


def rolled_back(digests: list[str], known: Iterable[Head], receipts: Iterable[int]) -> str | None:
    """Why a log whose records have these digests was rolled back; None if nothing says so.

    `known`: heads that were seen or anchored. `receipts`: slots about whose commits verifiers said something.
    """
    for head in sorted(known, key=lambda head: -head.n):
        if head.n > len(digests):
            return f"it ends at slot {len(digests)}, and slot {head.n} was seen before"
        if digests[head.n - 1] != head.digest:
            return f"slot {head.n} is not the record that was seen there before"
    beyond = max(receipts, default=0)
    if beyond > len(digests):
        return f"it ends at slot {len(digests)}, and there are receipts about slot {beyond}"
    return None


def head_of(repository: Repository, workload: str) -> Head | None:
    """The last record there is now."""
    log = repository.log(workload)
    slots = len(log.entries())
    return Head(n=slots, digest=log.slot(slots).digest) if slots else None


def why_rolled_back(repository: Repository, workload: str, known: Iterable[Head]) -> str | None:
    """The same of a repository's log, read after the receipts: what is said now is about what is there. StoreError."""
    slots = {int(key.split("/")[2]) for key in repository.store.list(f"receipts/{workload}")}
    log = repository.log(workload)
    digests = [log.slot(n).digest for n in range(1, len(log.entries()) + 1)]
    return rolled_back(digests, known, slots)


def require_whole(repository: Repository, workload: str, known: Iterable[Head]) -> None:
    """RolledBack if the log is not all that it was."""
    why = why_rolled_back(repository, workload, known)
    if why is not None:
        raise RolledBack(f"{repository.store.url}: log of {workload}: {why}")


class HeadMemory:
    """What this machine saw, a file for each repository by its id, below `folder`."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or state_folder() / "heads"

    def of(self, repository: Repository, workload: str) -> list[Head]:
        """The head last seen, if any."""
        head = self._read(repository).get(workload)
        return [] if head is None else [head]

    def remember(self, repository: Repository, workload: str) -> None:
        """Note the head that is there now. Nothing where this machine keeps no state: that is only one witness less."""
        head = head_of(repository, workload)
        if head is not None:
            self._note(repository, workload, head)

    def learn(self, repository: Repository, workload: str, head: Head) -> None:
        """Note a head that somebody else vouches for, where it is further than what was seen here."""
        known = self._read(repository).get(workload)
        if known is None or known.n < head.n:
            self._note(repository, workload, head)

    def _note(self, repository: Repository, workload: str, head: Head) -> None:
        there = self._read(repository)
        if there.get(workload) == head:
            return
        path = self._path(repository)
        staged = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        if not _writable(self._folder):
            return
        staged.write_bytes(_Heads.dump_json({**there, workload: head}))
        staged.replace(path)

    def _read(self, repository: Repository) -> dict[str, Head]:
        path = self._path(repository)
        try:
            return _Heads.validate_json(path.read_bytes()) if path.exists() else {}
        except ValueError as error:
            raise ReplicatorError(f"{path} cannot be read: {error}", hint="Move that file away.") from error

    def _path(self, repository: Repository) -> Path:
        return self._folder / f"{repository.format().repository}.json"


def state_folder() -> Path:
    """Where this machine keeps what it remembers of repositories."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "drstack"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
