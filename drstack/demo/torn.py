"""Whether a torn checkpoint was ever let in: every commit that stands is restored and looked at like a trainer would."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.layouts import inspect
from replicator.repository.restore import restore

if TYPE_CHECKING:
    from replicator.repository.repository import Repository


def incomplete_commits(repository: Repository, workload: str, scratch: Path) -> int:
    """How many commits that stand restore to a checkpoint that is not complete."""
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        count = 0
        for accepted in repository.log(workload).view().in_order():
            restored = restore(repository, accepted, folder / str(accepted.what.id()) / accepted.what.name)
            count += not inspect(restored.path).complete
        return count
    finally:
        shutil.rmtree(folder)
