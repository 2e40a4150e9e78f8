"""How far this machine has seen each log of a repository: one that is shorter later was rolled back, or exchanged.

Kept beside what a writer remembers. A machine that never looked cannot tell; two machines seldom forget together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from replicator.crypto.trust import write_whole
from replicator.errors import ReplicatorError
from replicator.lines import warn

if TYPE_CHECKING:
    from pathlib import Path

_Known = TypeAdapter(tuple[int, int])


class Seen:
    """Per workload the (term, slots) that were seen, a file each in `folder`. A damaged file says nothing, like a lost one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, workload: str) -> tuple[int, int]:
        try:
            return _Known.validate_json(self._path(workload).read_bytes())
        except (FileNotFoundError, ValidationError):
            return 0, 0

    def note(self, workload: str, term: int, slots: int) -> None:
        """Where it cannot be written (a read-only home) that is said: a restore does not depend on it."""
        before = self.of(workload)
        now = (max(before[0], term), max(before[1], slots))
        if now == before:
            return
        try:
            write_whole(self._path(workload), _Known.dump_json(now), mode=0o600)
        except ReplicatorError as error:
            warn("a later rollback would not be noticed here", workload=workload, why=str(error))

    def _path(self, workload: str) -> Path:
        return self._folder / f"seen-{workload}.json"
