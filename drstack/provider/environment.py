"""Founding an environment on its witness, or taking it up where it was founded (DESIGN, rule 11).

Assignment 1 is made only where nothing that can be reached knows the environment. A workload that is new gets an
`extend` assignment. Invariant: what an assignment says of a workload is never changed from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from drstack.errors import WitnessUnreachable, WitnessUnsound
from drstack.provider.repositories import open_with, require_ours
from drstack.witness.assignment import Assignment, WorkloadAssignment
from replicator.errors import ReplicatorError, RepositoryUnknown, StoreError
from replicator.stores.url import make_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.witness.witness import Witness
    from replicator.crypto.keyring import Keyring

_REPAIR = (
    "Put the witness back from the copies in the repositories: drstack witness repair ENV --plan says what it lacks."
)
_FOREIGN = f"If it is another environment's, give the site of this one a `folder` of its own. Else: {_REPAIR}"


@dataclass(frozen=True, slots=True)
class DeclaredWorkload:
    """Who writes it first, which sites acknowledge, and for work that serves, which sites do with what weight."""

    writer: str
    acknowledge: tuple[str, ...] = ()
    serves: Mapping[str, int] = field(default_factory=dict[str, int])
    keys: tuple[str, ...] = ()
    """Names of the keys that count in its first term."""


@dataclass(frozen=True, slots=True)
class RepositorySight:
    """What a reachable repository knows: whose it is (None: nobody's) and the newest term of its logs."""

    url: str
    environment: str | None
    term: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The assignment to make; None: the one that stands is taken up."""

    action: Literal["create", "extend", "adopt"]
    assignment: Assignment | None


def decide(
    declared: Mapping[str, DeclaredWorkload],
    current: Assignment | None,
    repositories: Sequence[RepositorySight],
    descriptors: Sequence[str],
    witness: str,
) -> Decision:
    """WitnessUnsound where the witness knows less than something that can be reached. `descriptors`: sites with one."""
    number = current.number if current else 0
    ahead = max(repositories, key=lambda each: each.term, default=None)
    if ahead is not None and ahead.term > number:
        raise WitnessUnsound(
            f"witness {witness} ends at assignment {number}; {ahead.url} has opened term {ahead.term}",
            hint=_REPAIR if current else _FOREIGN,
        )
    if current is None:
        knowing = [each.url for each in repositories if each.environment is not None] or list(descriptors)
        if knowing:
            raise WitnessUnsound(f"witness {witness} is empty, but {knowing[0]} knows an environment", hint=_FOREIGN)
        workloads = {name: _opened(each, 1) for name, each in declared.items()}
        return Decision("create", Assignment(number=1, workloads=workloads, cause="create"))
    new = {
        name: _opened(_following(each, current), number + 1)
        for name, each in declared.items()
        if name not in current.workloads
    }
    if not new:
        return Decision("adopt", None)
    workloads = {**current.workloads, **new}
    return Decision("extend", Assignment(number=number + 1, workloads=workloads, cause="extend"))


def _following(declared: DeclaredWorkload, current: Assignment) -> DeclaredWorkload:
    """Work that serves begins where the work is written now, which may not be where the file says that it began."""
    writers = {part.writer for part in current.workloads.values() if not part.serves}
    now = next(iter(writers)) if len(writers) == 1 else declared.writer
    if not declared.serves or now == declared.writer or now not in declared.serves:
        return declared
    before = declared.serves[declared.writer]
    serves = {**declared.serves, declared.writer: declared.serves[now], now: before}
    return replace(declared, writer=now, serves=serves)


def _opened(declared: DeclaredWorkload, term: int) -> WorkloadAssignment:
    return WorkloadAssignment(
        writer=declared.writer, term=term, acknowledge=declared.acknowledge, serves=dict(declared.serves),
        keys=() if declared.serves else declared.keys,
    )  # fmt: skip


def found_environment(
    witness: Witness,
    declared: Mapping[str, DeclaredWorkload],
    repositories: Sequence[str],
    sites: Sequence[str],
    keys: Keyring | None = None,
) -> str:
    """Found it or take it up; convergent, whoever does the same at the same time. Returns the environment's id."""
    while True:
        seen = [sight for url in repositories if (sight := look(url, tuple(declared), keys)) is not None]
        current = _current(witness, seen)
        described = [f"the descriptor of {site}" for site in sites if witness.descriptor(site) is not None]
        decision = decide(declared, current, seen, described, witness.url)
        identity = witness.found()
        if decision.assignment is None or witness.assign(decision.assignment) == decision.assignment:
            return identity


def _current(witness: Witness, seen: Sequence[RepositorySight]) -> Assignment | None:
    """The witness's newest assignment. A folder that is not there yet is made, if nothing knows the environment."""
    try:
        return witness.current()
    except WitnessUnreachable:
        if any(each.environment is not None or each.term for each in seen):
            raise
        make_folder(witness.url)
        return witness.current()


def look(url: str, workloads: Sequence[str], keys: Keyring | None) -> RepositorySight | None:
    """What a repository knows; None if it cannot be reached. WitnessUnsound if it cannot be read; Untrusted, KeyAbsent."""
    repository = open_with(url, keys)
    try:
        known = require_ours(repository).environment
    except RepositoryUnknown:
        known, repository = None, open_with(url, None)
    except StoreError:
        return None
    try:
        views = [repository.log(name).view() for name in workloads]
    except StoreError:
        return None
    except ReplicatorError as error:
        raise WitnessUnsound(f"repository {url}: {error}", hint=error.hint) from error
    return RepositorySight(url, known, max((max(view.term, view.sealed) for view in views), default=0))
