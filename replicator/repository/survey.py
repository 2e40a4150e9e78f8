"""What several repositories hold of one workload, and which copies of which checkpoint a restore takes, in order.

The repository with the greatest open term speaks for all: what its `open` does not cover of earlier terms stands
nowhere (DESIGN, rule 3). One that is away, unreadable or rolled back is said to be so; it chooses nothing, and a rolled
back one still gives bytes, since those are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError, RolledBack, StoreUnavailable, TooNew
from replicator.log.covering import uncovered
from replicator.log.lineage import best_first, lineage
from replicator.repository.heads import why_rolled_back
from replicator.repository.ruling import ruling
from replicator.repository.select import candidates, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId
    from replicator.repository.heads import HeadMemory
    from replicator.repository.repository import Repository
    from replicator.repository.select import Selector

Copies = list[tuple["Repository", "Accepted"]]


@dataclass(frozen=True, slots=True)
class Seen:
    """`why_not`: why its log chooses nothing."""

    repository: Repository
    view: LogView
    why_not: str | None = None


@dataclass(slots=True)
class Survey:
    """`seen` best first; `away` by URL with the reason."""

    workload: str
    seen: list[Seen]
    away: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def views(self) -> list[LogView]:
        return [each.view for each in self.seen]

    def standing(self) -> dict[CommitId, Accepted]:
        """Every checkpoint that stands, as the first repository that holds it says."""
        newest = max((s.view.opened[s.view.term] for s in self.seen if s.view.term), key=lambda o: o.term, default=None)
        found: dict[CommitId, Accepted] = {}
        for each in self.seen:
            for key, accepted in each.view.accepted.items():
                if each.why_not is None and (newest is None or uncovered(newest, accepted.what) is None):
                    found.setdefault(key, accepted)
        return found

    def copies(self, accepted: Accepted) -> Copies:
        """Who has the same contents under the same name, best first; copies that a verifier found damaged come last."""
        what = accepted.what
        held = [
            (each.repository, copy)
            for each in self.seen
            if (copy := each.view.accepted.get(what.id())) is not None and copy.what.root == what.root
        ]
        return sorted(held, key=lambda copy: self.damaged(*copy))

    def suspect(self, accepted: Accepted) -> bool:
        """Condemned where any repository says so; else released where any says so; else as admission found it."""
        said = [ruling(repository, self.workload, copy) for repository, copy in self.copies(accepted)]
        words = [each.released for each in said if each is not None]
        return not all(words) if words else accepted.what.suspect

    def damaged(self, repository: Repository, accepted: Accepted) -> bool:
        return repository.receipts.damaged(self.workload, accepted.slot)


def survey(repositories: Sequence[Repository], workload: str, memory: HeadMemory | None = None) -> Survey:
    """Look at each log once. StoreUnavailable if none can be read, TooNew if all are too new."""
    found = Survey(workload, [])
    too_new: list[TooNew] = []
    for repository in repositories:
        try:
            view = repository.log(workload).view()
            known = memory.of(repository, workload) if memory else []
            why = why_rolled_back(repository, workload, known)
            if memory is not None and why is None:
                memory.remember(repository, workload)
        except ReplicatorError as error:
            found.away[repository.store.url] = str(error)
            too_new += [error] if isinstance(error, TooNew) else []
            continue
        found.seen.append(Seen(repository, view, why))
    if not found.seen:
        if len(too_new) == len(repositories):
            raise too_new[0]
        raise StoreUnavailable(f"{workload}: no repository can be read: {'; '.join(found.away.values())}")
    return found


def choose(found: Survey, selector: Selector, *, best_only: bool = False) -> list[Copies]:
    """What the selector allows, best first, each with its copies. NothingToRestore, RolledBack.

    Unless the selector is exact, what is damaged in every repository is passed over. `best_only`: the first alone, so
    that no words are read about all that is older.
    """
    back = [f"{each.repository.store.url}: {each.why_not}" for each in found.seen if each.why_not is not None]
    standing = found.standing()
    if len(back) == len(found.seen):
        if selector.commit is None:
            raise RolledBack(f"log of {found.workload}: {'; '.join(back)}")
        standing = {key: accepted for each in found.seen for key, accepted in each.view.accepted.items()}
    pins = {name: key for each in reversed(found.seen) for name, key in each.view.pins.items()}
    chosen: list[Copies] = []
    ordered = best_first(standing.values(), lineage(*found.views))
    for accepted in candidates(selector, ordered, pins, found.suspect):
        copies = found.copies(accepted)
        if selector.exact or not all(found.damaged(*copy) for copy in copies):
            chosen.append(copies)
        if chosen and best_only:
            break
    if not chosen:
        where = ", ".join(each.repository.store.url for each in found.seen)
        raise nothing(selector, f"{where}: {found.workload}", found.views)
    return chosen
