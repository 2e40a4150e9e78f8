"""Which recovery point a promotion takes, and why. Pure.

The newest that is proved, if that loses no more than the objective; else the newest. One that was tried and found to be
another than was saved is taken only with consent; one of a branch that an earlier promotion left only where no other is
within reach. Invariant: no proof makes a promotion lose more than the objective, and none brings a left branch back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drstack.recovery.contest import contested
from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drstack.recovery.facts import CommitFact, WorkloadFact
    from replicator.model import CommitId, Level
    from replicator.repository.receipts import Word

Found = tuple["CommitFact", str]


@dataclass(frozen=True, slots=True)
class Wish:
    """How to choose. `failed_at`: when the writer died, unix seconds."""

    demanded: tuple[Level, ...]
    rpo_s: float
    failed_at: float
    prefer: str | None = None
    """The repository to take it from, where several have it."""
    newest: bool = False
    """Take the newest, though an older one is proved."""
    refuted: bool = False
    """Consent: take one whose proof failed for one that was not tried."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`why` says in words how it stands with proof. `other`: what could have been taken instead, newer or proved."""

    point: CommitFact
    source: str
    why: str
    other: CommitFact | None = None


def choose(workload: WorkloadFact, wish: Wish) -> Choice | None:
    """None where no reachable repository has a recovery point."""
    newest = _best(workload, wish, lambda commit: wish.refuted or not commit.refuted)
    if newest is None:
        return None
    point, source = newest
    if point.proved:
        return Choice(point, source, "proved" + _of_left(point))
    proved = _best(workload, wish, lambda commit: commit.proved and commit.left == point.left)
    if proved is None:
        return Choice(point, source, f"{_standing(point)}; nothing older that is near is proved{_of_left(point)}")
    loss_s = max(0.0, wish.failed_at - proved[0].saved_at)
    older = f"step {proved[0].step} is proved and would lose {loss_s:.1f} s"
    if wish.newest:
        return Choice(point, source, f"{_standing(point)}; {older}; the newest was asked for", proved[0])
    if loss_s > wish.rpo_s:
        return Choice(
            point,
            source,
            f"{_standing(point)}; {older}, more than the objective of {format_duration(wish.rpo_s)}",
            proved[0],
        )
    newer_s = max(0.0, wish.failed_at - point.saved_at)
    why = (
        f"proved, within the objective; step {point.step} would lose {newer_s:.1f} s and is {_standing(point)}; "
        "its branch is left: it stays to be restored by name, and is taken by nobody unasked"
    )
    return Choice(*proved, why, point)


def refuted(workload: WorkloadFact, demanded: tuple[Level, ...]) -> CommitFact | None:
    """The newest that has its receipts and whose proof failed, where it is newer than every other recovery point."""
    wish = Wish(demanded, 0.0, 0.0)
    failed = _best(workload, wish, lambda commit: commit.refuted)
    sound = _best(workload, wish, lambda commit: not commit.refuted)
    if failed is None or (sound is not None and _rank(sound[0]) > _rank(failed[0])):
        return None
    return failed[0]


def _of_left(point: CommitFact) -> str:
    if not point.left:
        return ""
    return "; of a branch that an earlier promotion left: nothing of the run since is within reach"


def _rank(commit: CommitFact) -> tuple[bool, CommitId]:
    return not commit.left, commit.id


def _standing(commit: CommitFact) -> str:
    if commit.proof is None:
        return "not proved"
    return "proved" if commit.proof.ok else f"tried and FAILED ({commit.proof.reason})"


def _best(workload: WorkloadFact, wish: Wish, fits: Callable[[CommitFact], bool]) -> Found | None:
    """The greatest (term, height) that fits, with every demanded receipt, and a repository where it has them (rule 14).

    What is about to be void is none (`contest.py`); what was left comes after all others.

    What one repository's prover found of a checkpoint is true of it in all of them: its contents are the same.
    """
    words, ruled = _words(workload), rulings(workload)
    best: Found | None = None
    heard = {name: fact for name, fact in workload.repositories.items() if fact.reachable and not fact.rolled_back}
    void = contested(heard, workload.acknowledge, wish.prefer)
    for repository in heard.values():
        for commit in repository.newest:
            if (repository.name, commit.id) in void:
                continue
            said = replace(commit, proof=words.get((commit.id, commit.root)))
            sound = not suspect(commit, ruled) and set(wish.demanded) <= set(commit.receipts) and fits(said)
            better = (
                best is None
                or _rank(commit) > _rank(best[0])
                or (commit.id == best[0].id and repository.name == wish.prefer)
            )
            if sound and better:
                best = (said, repository.name)
    return best


def rulings(workload: WorkloadFact) -> dict[tuple[CommitId, str], bool]:
    """Per checkpoint what people said, in any repository that can be heard: condemned in one is condemned."""
    found: dict[tuple[CommitId, str], bool] = {}
    for repository in workload.repositories.values():
        for commit in repository.newest if repository.reachable and not repository.rolled_back else ():
            if commit.released is not None:
                key = commit.id, commit.root
                found[key] = commit.released and found.get(key, True)
    return found


def suspect(commit: CommitFact, ruled: Mapping[tuple[CommitId, str], bool]) -> bool:
    said = ruled.get((commit.id, commit.root))
    return commit.suspect if said is None else not said


def _words(workload: WorkloadFact) -> dict[tuple[CommitId, str], Word]:
    """Per checkpoint (its name and its contents) the word that says most: a failure, else the newest."""
    found: dict[tuple[CommitId, str], Word] = {}
    for repository in workload.repositories.values():
        for commit in repository.newest if repository.reachable and not repository.rolled_back else ():
            there, word = found.get((commit.id, commit.root)), commit.proof
            if word is not None and (there is None or (not word.ok, word.at) > (not there.ok, there.at)):
                found[commit.id, commit.root] = word
    return found
