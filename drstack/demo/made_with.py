"""What the recovery point was made with, and what differs where it was taken up: code, lock, container, torch, driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replicator.model import CommitId
from replicator.versions.explain import explain
from replicator.versions.gather import Gathering, Source

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.repository.repository import Repository

_GATHER_S = 20.0


def recovered_with(repository: Repository, workload: str, end: dict[str, Any], code: Path) -> dict[str, Any]:
    """`versions` of the demo's document. `end`: of the promotion; `code`: where the new site's program comes from."""
    here = Gathering(Source.of_this_process("launcher", code))
    here.wait(_GATHER_S)
    commit = CommitId(*end["workloads"][0]["commit"])
    accepted = repository.log(workload).view().accepted[commit]
    explained = explain(repository, accepted, here.now().document)
    return {"commit": str(commit), **explained.document()}
