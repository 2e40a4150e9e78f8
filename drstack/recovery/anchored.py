"""What the witness knows of how far a repository's logs reached, held against the logs (DESIGN, rule 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.errors import RolledBack
from replicator.repository.anchors import why_behind

if TYPE_CHECKING:
    from drstack.witness.witness import Witness
    from replicator.repository.anchors import Anchored
    from replicator.repository.repository import Repository


def standing(witness: Witness, repository: Repository, workload: str) -> tuple[Anchored | None, str | None]:
    """(the last anchor, why the log was rolled back). WitnessUnreachable, WitnessUnsound, StoreError."""
    there = witness.anchored(repository, workload)
    return there, None if there is None else why_behind(repository.store, workload, there.anchor)


def require_whole(witness: Witness, repository: Repository, workload: str) -> None:
    """RolledBack, before anything is written to a log that is not all that it was."""
    _, why = standing(witness, repository, workload)
    if why is not None:
        raise RolledBack(
            f"{repository.store.url}: log of {workload}: {why}",
            hint=remedy(witness, repository.store.url, repository.name),
        )


def remedy(witness: Witness, url: str, site: str) -> str:
    """The command that puts back what is missing."""
    return f"replicator repair --repo '{url}' --from PEER --anchors '{witness.url}#{witness.environment}/{site}'"
