"""Looks at the assignment, every site and every repository at once, when a recovery is to be decided.

Gathering never changes anything. Invariant: nothing is decided on a witness that knows less than a repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from drstack.errors import EnvironmentUnknown, WitnessUnsound
from drstack.recovery.beside import AT_ONCE, in_turn, side_by_side, threads
from drstack.recovery.facts import Facts, WorkloadFact
from drstack.recovery.hearing import repository_fact
from drstack.recovery.stillness import fenced_at
from drstack.recovery.timekeeping import judge_clocks
from drstack.witness.assignment import lineage_of
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.facts import RepositoryFact
    from drstack.recovery.ports import Site, SiteObservation
    from drstack.witness.assignment import Assignment
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness
    from replicator.model import Level
    from replicator.repository.repository import Repository

_OBSERVE_S = 5.0
_NEAR = 4
"""Logs that are read at once where every store is a folder: more threads take turns longer than they wait."""
_NEAR_S = 0.005
"""What answers within this is asked in turn."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """`read_at`: when each site was observed, by this machine's clock; `heard`: by workload and repository."""

    sites: Mapping[str, SiteObservation]
    read_at: Mapping[str, float]
    heard: Mapping[str, Mapping[str, RepositoryFact]]
    made: Mapping[str, _Made]
    fenced_at: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class _Made:
    """What the operation that made a term did: in which repositories it opened it, whether it started the run."""

    opened: tuple[str, ...]
    started: bool | None


_NOTHING = _Made((), None)


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
    facts = _facts(witness, current, _look(witness, current, sites, repositories, workloads, one_by_one=one_by_one))
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


def _look(
    witness: Witness,
    current: Assignment,
    sites: Mapping[str, Site],
    repositories: Mapping[str, Repository],
    workloads: Mapping[str, tuple[Level, ...]],
    *,
    one_by_one: bool,
) -> _Seen:
    asked = [name for name in current.workloads if name in workloads]
    made = _made_by_operations(witness, current)
    fenced = fenced_at(witness.journals(current.number))
    every = witness.assignments()
    behind = {name: lineage_of(every, name) for name in asked}
    near = one_by_one or all(_near(each) for each in repositories.values())
    at_once = max(1, min(_NEAR if near else AT_ONCE, len(repositories) * len(workloads)))

    def hear(name: str, repository: Repository) -> RepositoryFact:
        return repository_fact(
            repository, name, workloads[name], current, made.get(name, _NOTHING).opened, behind=behind[name], witness=witness,
            beside=in_turn if near else side_by_side,
        )  # fmt: skip

    with (
        threads(len(sites) + 1, one_by_one=one_by_one) as others,
        threads(at_once, one_by_one=one_by_one) as pool,
    ):
        observed = {name: others.submit(_observed, site, witness) for name, site in sites.items()}
        heard = {
            name: {each: pool.submit(hear, name, repository) for each, repository in repositories.items()}
            for name in asked
        }
        return _Seen(
            {name: future.result()[0] for name, future in observed.items()},
            {name: future.result()[1] for name, future in observed.items()},
            {name: {each: future.result() for each, future in found.items()} for name, found in heard.items()},
            made,
            fenced,
        )


def _facts(witness: Witness, current: Assignment, looked: _Seen) -> Facts:
    """With the time by the clock that is taken for right."""
    here = witness.now()
    clocks = {
        name: here + site.clock - looked.read_at[name] for name, site in looked.sites.items() if site.clock is not None
    }
    time = judge_clocks(here, clocks, _dated(looked.heard))
    workloads = {name: current.workloads[name] for name in looked.heard}
    return Facts(
        at=here + time.offset_s, time=time, assignment=current, sites=looked.sites,
        workloads={
            name: WorkloadFact(
                name, part.writer, part.term, part.acknowledge, looked.heard[name], looked.made.get(name, _NOTHING).started,
                looked.fenced_at.get((part.writer, name)),
            )
            for name, part in workloads.items()
        },
    )  # fmt: skip


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


def _made_by_operations(witness: Witness, current: Assignment) -> dict[str, _Made]:
    """Per workload, of the operation that made its term."""
    every = witness.assignments()
    journals: dict[str, Journal] = {}
    found: dict[str, _Made] = {}
    for name, part in current.workloads.items():
        operation = every[part.term - 1].operation
        if operation is None:
            continue
        base, k = (int(each) for each in operation.split("-"))
        journal = journals.setdefault(operation, witness.journal(base, k))
        outcome = journal.outcome("assign") or {}
        opens: dict[str, str] = outcome.get("result", outcome).get("opens", {})
        found[name] = _Made(tuple(site for site, how in opens.items() if how == "open"), _started(journal, name))
    return found


def _started(journal: Journal, workload: str) -> bool | None:
    step = f"start {workload}"
    plan = journal.plan() or {}
    if not any(each["id"] == step for each in plan.get("steps", ())):
        return None
    outcome = journal.known_outcomes().get(step)
    return outcome is not None and outcome.get("skipped") is None
