"""A restore for practice: into a scratch folder, looked at like a trainer would, removed; what it took is a receipt."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import DataCorrupt
from replicator.layouts import inspect
from replicator.repository.restore import restore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Drilled:
    """`seconds` from the first read to files that a trainer could load; `why` says what is wrong, None if nothing is."""

    accepted: Accepted
    seconds: float
    size_bytes: int
    layout: str
    why: str | None


def drill(
    repository: Repository,
    workload: str,
    accepted: Accepted,
    scratch: Path,
    verifier: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[int], None] | None = None,
) -> Drilled:
    """Restore into a new folder below `scratch`, judge it, remove it, write a `decoded` receipt. StoreUnavailable."""
    folder = scratch / f"drill-{secrets.token_hex(4)}"
    target = folder / accepted.what.name
    began = clock()
    layout, why = "", None
    try:
        folder.mkdir(parents=True)
        restore(repository, accepted, target, progress=progress)
        single = target / accepted.what.name
        candidate = inspect(single if single.is_file() else target)
        layout = candidate.layout
        if not candidate.complete:
            why = f"it restores, and is not a whole checkpoint of {layout}: {candidate.why}"
    except DataCorrupt as error:
        why = str(error)
    finally:
        seconds = clock() - began
        shutil.rmtree(folder, ignore_errors=True)
    repository.receipts.write(
        workload, accepted.slot, "decoded", verifier, record=repository.log(workload).slot(accepted.slot).digest,
        ok=why is None, reason=why, drill={"seconds": round(seconds, 3), "bytes": float(accepted.what.size_bytes)},
    )  # fmt: skip
    return Drilled(accepted, seconds, accepted.what.size_bytes, layout, why)
