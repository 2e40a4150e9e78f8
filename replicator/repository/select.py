"""A selector names one checkpoint: `latest`, `step:N`, or `TERM.HEIGHT`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from replicator.errors import NothingToRestore
from replicator.model import CommitId
from replicator.repository.ruling import is_suspect

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


def select(repository: Repository, workload: str, selector: str) -> Accepted:
    """The commit that `selector` names. NothingToRestore if none stands; a suspect one is never `latest`.

    `latest` passes over commits that a verifier found damaged. `step:N` takes the newest save of that step.
    """
    view = repository.log(workload).view()
    ordered = list(reversed(view.in_order()))
    where = f"{repository.store.url}: {workload}"
    if selector == "latest":
        for accepted in ordered:
            if not is_suspect(repository, workload, accepted) and not repository.receipts.damaged(
                workload, accepted.slot
            ):
                return accepted
        raise NothingToRestore(f"{where} has no checkpoint that is neither suspect nor damaged")
    if match := re.fullmatch(r"step:(\d+)", selector):
        found = [a for a in ordered if a.what.step == int(match[1])]
        if not found:
            raise NothingToRestore(f"{where} has no checkpoint of step {match[1]}")
        return found[0]
    if match := re.fullmatch(r"(\d+)\.(\d+)", selector):
        key = CommitId(int(match[1]), int(match[2]))
        if key not in view.accepted:
            why = next((v.reason for v in view.void if v.commit == key), "it was never committed, or was dropped")
            raise NothingToRestore(f"{where} {key} does not stand: {why}")
        return view.accepted[key]
    raise NothingToRestore(f"{selector!r} names no checkpoint", hint="Use latest, step:N or TERM.HEIGHT.")
