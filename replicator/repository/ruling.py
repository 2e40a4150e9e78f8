"""What people say of a commit against what admission found: released, it counts again; condemned, it is suspect.

It is agreed in a log of its own beside the commit's receipts, one for all people, so that of two words the later is the
same for every reader; it needs no open term, for a checkpoint may have to be condemned before a promotion. A word is
about the record that it names: of a log that was rolled back nothing is left (DESIGN, rules 2 and 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from replicator.errors import RecordCorrupt
from replicator.log.slots import SlotLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.records import Record
    from replicator.log.replay import Accepted, LogView
    from replicator.repository.repository import Repository

LEVEL = "admission"
PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The last word about a commit; `at` in unix seconds."""

    released: bool
    reason: str
    by: str
    at: float


def ruling(repository: Repository, workload: str, accepted: Accepted) -> Ruling | None:
    """None where nobody said anything. RecordCorrupt where the last word cannot be read."""
    digest = repository.log(workload).slot(accepted.slot).digest
    said = [each for each in _log(repository, workload, accepted).read() if each.body.get("record") == digest]
    return _ruling(said[-1]) if said else None


def is_suspect(repository: Repository, workload: str, accepted: Accepted) -> bool:
    """What counts: the last word of people, else whether admission found anything."""
    said = ruling(repository, workload, accepted)
    return accepted.what.suspect if said is None else not said.released


def newest_sound(
    repository: Repository, workload: str, view: LogView, count: int, *, below: float = math.inf
) -> list[Accepted]:
    """The newest `count` that are not suspect, oldest first. No more words are read than it takes to find them.

    `below`: of older steps than that one; a run that went back makes the others once more.
    """
    older = (each for each in reversed(view.in_order()) if each.what.step < below)
    newest_first = (each for each in older if not is_suspect(repository, workload, each))
    return list(islice(newest_first, count))[::-1]


def rule(repository: Repository, workload: str, accepted: Accepted, word: Ruling) -> bool:
    """Say it; `word.at` is not written. False if the last word is this one, or it changes nothing that admission says."""
    repository.log(workload).require_writer()
    digest = repository.log(workload).slot(accepted.slot).digest
    body = {"ok": word.released, "reason": word.reason, "by": word.by, "record": digest}

    def decide(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
        said = [each.body for each in records if each.body.get("record") == digest]
        if not said:
            return None if word.released and not accepted.what.suspect else ("receipt", body)
        return None if all(said[-1].get(key) == body[key] for key in ("ok", "reason")) else ("receipt", body)

    return _log(repository, workload, accepted).append(decide) is not None


def _ruling(record: Record) -> Ruling:
    ok, reason, by = (record.body.get(key) for key in ("ok", "reason", "by"))
    if not isinstance(ok, bool) or not isinstance(reason, str) or not isinstance(by, str):
        raise RecordCorrupt(f"slot {record.n} of what people said of a commit has no ok, reason and by")
    return Ruling(ok, reason, by, record.at)


def _log(repository: Repository, workload: str, accepted: Accepted) -> SlotLog:
    prefix = f"receipts/{workload}/{accepted.slot:020d}/{LEVEL}/{PEOPLE}"
    return SlotLog(repository.store, prefix, clock=repository.clock, token=repository.token, notary=repository.notary)
