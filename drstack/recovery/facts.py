"""What is known when a recovery is decided: the assignment, each repository's log, each site as it looks now.

Gathering never changes anything, and a site or repository that cannot be seen is a fact too (DESIGN, rule 8).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from drstack.errors import EnvironmentUnknown, WitnessUnsound
from drstack.recovery.anchored import remedy, standing
from drstack.recovery.beside import AT_ONCE, in_turn, side_by_side, threads
from drstack.recovery.evidence import Evidence, seen, unknown
from drstack.recovery.timekeeping import IN_AGREEMENT, Timekeeping, judge_clocks
from drstack.witness.assignment import lineage_of
from replicator.errors import ReplicatorError, TermRegressed
from replicator.log.covering import uncovered
from replicator.log.lineage import Lineage
from replicator.repository.ruling import ruling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drstack.recovery.ports import Site, SiteObservation
    from drstack.recovery.world import Beside
    from drstack.witness.assignment import Assignment
    from drstack.witness.witness import Witness
    from replicator.log.entries import Open
    from replicator.log.replay import Accepted
    from replicator.model import CommitId, Level, Versions
    from replicator.repository.anchors import Anchored
    from replicator.repository.receipts import Word
    from replicator.repository.repository import Repository
    from replicator.repository.ruling import Ruling

NO_LINEAGE = Lineage()
_OBSERVE_S = 5.0
_PROOF_DEPTH = 10
"""How many checkpoints below the newest recovery point are asked whether they are proved."""
_NEAR = 4
"""Logs that are read at once where every store is a folder: more threads take turns longer than they wait."""
_NEAR_S = 0.005
"""What answers within this is asked in turn."""
_ARRIVALS = 12
"""How many of the last checkpoints are told of when they were saved and when they arrived."""


@dataclass(frozen=True, slots=True)
class CommitFact:
    """A commit that stands in some repository, and whether it is a recovery point there."""

    id: CommitId
    step: int
    saved_at: float
    size_bytes: int
    suspect: bool
    receipts: tuple[Level, ...]
    root: str
    name: str
    proof: Word | None = None
    """What counts of the provers' words; None where nobody has tried it."""
    left: bool = False
    """Of a branch that an earlier promotion did not go on from: taken only where there is no other."""
    released: bool | None = None
    """What people said of it in this repository: released (True), condemned, or nothing."""
    versions: Versions | None = None

    @property
    def proved(self) -> bool:
        return self.proof is not None and self.proof.ok

    @property
    def refuted(self) -> bool:
        """Whether it was tried and found to be another than was saved."""
        return self.proof is not None and not self.proof.ok


@dataclass(frozen=True, slots=True)
class Arrival:
    """A sound checkpoint of the open term: saved by its trainer, committed in this repository; unix seconds."""

    saved_at: float
    landed_at: float


@dataclass(frozen=True, slots=True)
class RepositoryFact:
    """One repository's log of one workload. `why` says why it could not be read, where it could not."""

    name: str
    url: str
    why: str | None
    slots: int = 0
    term: int = 0
    sealed: int = 0
    heads: Mapping[str, int] | None = None
    newest: tuple[CommitFact, ...] = ()
    """Commits that stand, newest first, down to the newest one with every demanded receipt that no proof speaks against;
    and, of those not much older, the newest one that is proved. Those of branches that were left (`CommitFact.left`) come
    after all others."""
    rolled_back: str | None = None
    """Why this log is older than what the witness knows of it."""
    anchored: Anchored | None = None
    """How far its replicator told the witness that it reached."""
    arrivals: tuple[Arrival, ...] = ()
    """The last ones that were committed here, in the order of their saves."""
    read_at: float | None = None
    """When it was read, or last tried (unix seconds)."""

    @property
    def reachable(self) -> bool:
        return self.why is None

    @property
    def evidence(self) -> Evidence:
        return seen(self.url, self.read_at) if self.reachable and self.read_at is not None else unknown(self.url)


@dataclass(frozen=True, slots=True)
class WorkloadFact:
    name: str
    writer: str
    term: int
    acknowledge: tuple[str, ...]
    repositories: Mapping[str, RepositoryFact]


@dataclass(frozen=True, slots=True)
class Facts:
    """`at`: unix seconds at which gathering ended, by the clock that is taken for right."""

    at: float
    assignment: Assignment
    sites: Mapping[str, SiteObservation]
    workloads: Mapping[str, WorkloadFact]
    time: Timekeeping = IN_AGREEMENT
    """How this machine's clock stands to others."""

    def site_evidence(self, name: str) -> Evidence:
        """Of what was observed of a site."""
        site = self.sites.get(name)
        return seen(f"site {name}", self.at) if site is not None and site.reachable else unknown(f"site {name}")


def gather(
    witness: Witness,
    sites: Mapping[str, Site],
    repositories: Mapping[str, Repository],
    workloads: Mapping[str, tuple[Level, ...]],
    *,
    again: bool = True,
    one_by_one: bool = False,
) -> Facts:
    """Look at everything at once. `workloads` gives per workload the receipts that its class demands.

    `one_by_one`: one after another, in the caller's thread.

    WitnessUnreachable, WitnessUnsound; EnvironmentUnknown where nothing was ever assigned.
    """
    current = witness.current()
    if current is None:
        raise EnvironmentUnknown(
            f"the witness {witness.url} knows no environment {witness.environment}",
            hint=f"drstack up {witness.environment} declares it. Was it declared before: drstack witness repair "
            f"{witness.environment} --plan.",
        )
    opened = _opened_by_operations(witness, current)
    behind = {name: lineage_of(witness.assignments(), name) for name in current.workloads}
    all_near = one_by_one or all(_near(each) for each in repositories.values())
    at_once = _NEAR if all_near else AT_ONCE
    asked = len(repositories) * len(workloads)
    with (
        threads(len(sites) + 1, one_by_one=one_by_one) as others,
        threads(max(1, min(at_once, asked)), one_by_one=one_by_one) as pool,
    ):
        observed = {name: others.submit(_observed, site, witness) for name, site in sites.items()}
        judged = {
            name: {
                each: pool.submit(
                    repository_fact,
                    repository,
                    name,
                    workloads[name],
                    current,
                    opened.get(name, ()),
                    behind=behind[name],
                    witness=witness,
                    beside=in_turn if all_near else side_by_side,
                )
                for each, repository in repositories.items()
            }
            for name in current.workloads
            if name in workloads
        }
        seen_sites = {name: future.result()[0] for name, future in observed.items()}
        read_at = {name: future.result()[1] for name, future in observed.items()}
        heard = {name: {each: future.result() for each, future in found.items()} for name, found in judged.items()}
    here, ahead = witness.now(), {n: s.clock - read_at[n] for n, s in seen_sites.items() if s.clock is not None}
    time = judge_clocks(here, {name: here + seconds for name, seconds in ahead.items()}, _dated(heard))
    facts = Facts(
        at=here + time.offset_s,
        time=time,
        assignment=current,
        sites=seen_sites,
        workloads={
            name: WorkloadFact(
                name, current.workloads[name].writer, current.workloads[name].term, current.workloads[name].acknowledge,
                found,
            )
            for name, found in heard.items()
        },
    )  # fmt: skip
    ahead = _ahead(facts)
    if ahead is None:
        return facts
    newest = witness.current()
    if again and newest is not None and newest.number > current.number:
        return gather(witness, sites, repositories, workloads, again=False, one_by_one=one_by_one)
    raise WitnessUnsound(
        f"the witness {witness.url} is behind: {ahead}",
        hint=f"drstack witness repair {witness.environment} --plan says more.",
    )


def _observed(site: Site, witness: Witness) -> tuple[SiteObservation, float]:
    """What it looks like, and when that was, by this machine's clock."""
    return site.observe(deadline_s=_OBSERVE_S), witness.now()


def _dated(heard: Mapping[str, Mapping[str, RepositoryFact]]) -> list[float]:
    """When checkpoints that are there were saved."""
    return [
        commit.saved_at
        for found in heard.values()
        for fact in found.values()
        if fact.reachable
        for commit in fact.newest
    ]


def _near(repository: Repository) -> bool:
    """Whether it is a folder that answers like one: a folder may as well be another machine's."""
    if not repository.store.url.startswith("file:"):
        return False
    began = perf_counter()
    try:
        repository.store.size("format.json")
    except ReplicatorError:
        return False
    return perf_counter() - began < _NEAR_S


def _ahead(facts: Facts) -> str | None:
    """What a repository knows that the witness does not: a later term, or a seal of a term never assigned (rule 11).

    A term that the witness did assign, to others, is a fork: what counts there is what the witness says, and the next
    promotion ends it.
    """
    for workload in facts.workloads.values():
        for fact in workload.repositories.values():
            if fact.term > facts.assignment.number:
                return f"{fact.name} has opened term {fact.term} of {workload.name}; the newest assigned is {workload.term}"
            if fact.sealed > facts.assignment.number:
                return f"{fact.name} is sealed up to {fact.sealed}; the newest assignment is {facts.assignment.number}"
    return None


def _opened_by_operations(witness: Witness, current: Assignment) -> dict[str, tuple[str, ...]]:
    """Per workload, the repositories in which the operation that made its term has opened it."""
    every = witness.assignments()
    found: dict[str, tuple[str, ...]] = {}
    for name, part in current.workloads.items():
        operation = every[part.term - 1].operation
        if operation is not None:
            base, k = (int(each) for each in operation.split("-"))
            outcome = witness.journal(base, k).outcome("assign") or {}
            opens: dict[str, str] = outcome.get("result", outcome).get("opens", {})
            found[name] = tuple(site for site, how in opens.items() if how == "open")
    return found


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
