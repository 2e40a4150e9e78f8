"""What one repository's log says of a workload, as far as an assignment covers it.

Nothing is changed. A repository that cannot be read, or that was rolled back, is a fact (DESIGN, rule 8).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from drstack.errors import WitnessUnsound
from drstack.recovery.anchored import remedy, standing
from drstack.recovery.beside import side_by_side
from drstack.recovery.facts import Arrival, CommitFact, RepositoryFact
from replicator.errors import ReplicatorError, TermRegressed
from replicator.log.covering import uncovered
from replicator.log.lineage import Lineage
from replicator.repository.ruling import ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drstack.recovery.world import Beside
    from drstack.witness.assignment import Assignment
    from drstack.witness.witness import Witness
    from replicator.log.entries import Open
    from replicator.log.replay import Accepted
    from replicator.model import Level
    from replicator.repository.anchors import Anchored
    from replicator.repository.receipts import Word
    from replicator.repository.repository import Repository
    from replicator.repository.ruling import Ruling

NO_LINEAGE = Lineage()
_PROOF_DEPTH = 10
"""How many checkpoints below the newest recovery point are asked whether they are proved."""
_ARRIVALS = 12
"""How many of the last checkpoints are told of when they were saved and when they arrived."""


def repository_fact(
    repository: Repository,
    workload: str,
    demanded: Sequence[Level],
    assignment: Assignment,
    opened: Sequence[str] = (),
    opening: Open | None = None,
    *,
    behind: Lineage = NO_LINEAGE,
    witness: Witness | None = None,
    beside: Beside = side_by_side,
) -> RepositoryFact:
    """One repository's word about one workload. `opened`: repositories known to have opened the current term.

    It is heard only as far as `opening` covers it, the assignment's if none is given: what a repository that missed an
    `open` holds besides is the tail of a writer that was replaced, or was given a name that is another's (rule 3).
    `behind`: what the run of the assignment's term has behind it. `witness`: asked for its anchors, where given.
    """
    name, url = repository.name, repository.store.url
    part = assignment.workloads[workload]
    opening = opening or assignment.opening(workload)
    anchored: Anchored | None = None
    try:
        if witness is None:
            repository.format()
        else:
            anchored, back = standing(witness, repository, workload)
            if back is not None:
                told = f"{back}. Put back what is missing: {remedy(witness, url, name)}"
                return RepositoryFact(name, url, None, rolled_back=told, anchored=anchored, read_at=repository.clock())
        view = repository.log(workload).view()
        covered = [each for each in reversed(view.in_order()) if uncovered(opening, each.what) is None]
        newest = _newest(repository, workload, covered, tuple(demanded), behind, beside)
        arrivals = _arrivals(repository, workload, covered, view.term)
        rolled_back = _rolled_back(repository, workload, view.slots, assignment)
    except TermRegressed as error:
        return RepositoryFact(name, url, None, rolled_back=str(error), anchored=anchored, read_at=repository.clock())
    except ReplicatorError as error:
        return RepositoryFact(name, url, why=str(error), read_at=repository.clock())
    if rolled_back is None and name in opened and view.term < part.term:
        rolled_back = f"its log has not opened term {part.term}, which the witness saw it open"
    return RepositoryFact(
        name, url, None, view.slots, view.term, view.sealed, view.heads(), tuple(newest), rolled_back, anchored, arrivals,
        repository.clock(),
    )  # fmt: skip


def _arrivals(
    repository: Repository, workload: str, newest_first: Sequence[Accepted], term: int
) -> tuple[Arrival, ...]:
    log = repository.log(workload)
    sound = [each for each in newest_first[:_ARRIVALS] if each.what.term == term and not each.what.suspect]
    found = [Arrival(each.what.saved_at, log.written_at(each.slot)) for each in sound]
    return tuple(sorted(found, key=lambda each: each.saved_at))


def _newest(
    repository: Repository,
    workload: str,
    newest_first: Sequence[Accepted],
    demanded: tuple[Level, ...],
    behind: Lineage,
    beside: Beside,
) -> list[CommitFact]:
    """Down to a recovery point of each kind: behind the run, and of branches that were left.

    Whether the latter counts, because all others are out of reach or gone, is not known of one repository alone.
    """
    found: list[CommitFact] = []
    for left in (False, True):
        kind = [each for each in newest_first if behind.left(each.what.id()) is left]
        found += [replace(fact, left=left) for fact in _down_to_a_point(repository, workload, kind, demanded, beside)]
    return found


def _down_to_a_point(
    repository: Repository, workload: str, newest_first: Sequence[Accepted], demanded: tuple[Level, ...], beside: Beside
) -> list[CommitFact]:
    found: list[CommitFact] = []
    below: int | None = None
    """How many were passed over since the newest recovery point; None while there is none."""
    proofs: dict[int, Word | None] = {}
    for n, accepted in enumerate(newest_first):
        if below is not None and not _ok(proofs.get(n)):
            below += 1
            if below >= _PROOF_DEPTH:
                break
            continue
        fact = _commit_fact(repository, workload, accepted, demanded, beside)
        found.append(fact)
        if not fact.suspect and len(fact.receipts) == len(demanded) and not fact.refuted:
            if fact.proved or not demanded:
                break
            below = 0
            older = newest_first[n + 1 : n + _PROOF_DEPTH]
            words = beside([partial(_proof, repository, workload, each) for each in older])
            proofs = dict(enumerate(words, n + 1))
    return found


def _ok(word: Word | None) -> bool:
    return word is not None and word.ok


def _proof(repository: Repository, workload: str, accepted: Accepted) -> Word | None:
    return repository.receipts.verdict(workload, accepted.slot, "proved")


def _commit_fact(
    repository: Repository, workload: str, accepted: Accepted, demanded: tuple[Level, ...], beside: Beside
) -> CommitFact:
    """All that is said of a commit here, asked for at once."""
    what, slot, receipts = accepted.what, accepted.slot, repository.receipts
    asked: list[Callable[[], Any]] = [partial(ruling, repository, workload, accepted)]
    asked += [partial(receipts.levels, workload, slot, (level,)) for level in demanded]
    asked += [partial(_proof, repository, workload, accepted)] if demanded else []
    told = beside(asked)
    said: Ruling | None = told[0]
    levels: dict[Level, bool] = {}
    for each in told[1 : 1 + len(demanded)]:
        levels |= each
    return CommitFact(
        what.id(), what.step, what.saved_at, what.size_bytes, what.suspect if said is None else not said.released,
        tuple(level for level in demanded if levels[level]), what.root, what.name, told[-1] if demanded else None,
        released=None if said is None else said.released, versions=what.versions,
    )  # fmt: skip


def _rolled_back(repository: Repository, workload: str, slots: int, assignment: Assignment) -> str | None:
    for seal in assignment.workloads[workload].seals:
        if seal.repository != repository.name:
            continue
        if slots < seal.slot:
            return f"its log has {slots} entries; assignment {assignment.number} saw {seal.slot}"
        if repository.log(workload).slot(seal.slot).digest != seal.digest:
            raise WitnessUnsound(
                f"{repository.store.url}: entry {seal.slot} of {workload} is not the seal that assignment "
                f"{assignment.number} names"
            )
    return None
