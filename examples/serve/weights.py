"""From a repository to a model in memory: the newest recovery point, restored, every digest checked, then loaded.

Invariant: torch sees only files that `replicator restore` wrote into this replica's own folder and checked against a
commit; a trainer's folder is never read. What is being served stays on the disk until something newer serves.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from examples.serve.errors import NotServable
from replicator.crypto.keyring import ENVIRONMENT, Keyring
from replicator.errors import ReplicatorError
from replicator.log.replay import Accepted
from replicator.repository.repository import Repository, newest_recovery_point
from replicator.repository.restore import restore
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from replicator.model import Level


@dataclass(frozen=True)
class Found:
    """A recovery point: `commit` is TERM.HEIGHT, `saved_at` Unix seconds."""

    commit: str
    step: int
    saved_at: float
    accepted: Accepted


class Source:
    """Where weights come from. Raises ReplicatorError where the repository cannot be read."""

    def __init__(self, repository: str, model: str, receipts: tuple[str, ...], folder: Path) -> None:
        keys = os.environ.get(ENVIRONMENT)
        self._repository = Repository(
            "served", open_store(repository), keys=Keyring(Path(keys)) if keys else None, memory=folder / ".seen"
        )
        self._model = model
        self._receipts = cast("tuple[Level, ...]", receipts)
        self._folder = folder

    def newest(self) -> Found | None:
        """The greatest (term, height) that is not suspect and has every demanded receipt."""
        accepted = newest_recovery_point(self._repository, self._model, self._receipts)
        if accepted is None:
            return None
        return Found(str(accepted.what.id()), accepted.what.step, accepted.what.saved_at, accepted)

    def fetch(self, found: Found) -> Path:
        """Its files, whole, in this replica's folder. DataCorrupt if one is not what its commit says."""
        return restore(self._repository, found.accepted, self._place(found)).path

    def keep_only(self, found: Found) -> None:
        """Remove what was restored earlier, and what a killed restore left."""
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path not in (self._place(found).parent, self._folder / ".seen"):
                shutil.rmtree(path, ignore_errors=True)

    def _place(self, found: Found) -> Path:
        # A checkpoint's name comes from its writer, and stays inside: the repository refuses names with separators.
        name = Path(found.accepted.what.name).name
        if name in ("", ".", ".."):
            raise NotServable(f"commit {found.commit} has no name")
        return self._folder / found.commit / name


def why(error: ReplicatorError) -> str:
    """An error of the repository in one line."""
    return f"{type(error).__name__}: {error}"
