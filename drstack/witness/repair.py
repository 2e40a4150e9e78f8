"""Putting a witness back that is empty or shorter than the repositories know, from the copies that they keep.

Reads every repository before anything is written. Invariant: only records that are not there are written, in order, so
that whoever repairs at the same time, or again, finds what the first made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import ConsentRequired, WitnessUnsound
from drstack.witness.rebuild import LogWord, Rebuilt, rebuild
from drstack.witness.stand_in import retire, take_over
from replicator.errors import ReplicatorError, RepositoryUnknown
from replicator.log.entries import Seal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from drstack.witness.assignment import Assignment
    from drstack.witness.witness import Witness
    from replicator.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Survey:
    """What the repositories say. `environment`: the id that they were made for; None where none could be read."""

    words: tuple[LogWord, ...]
    environment: str | None
    unread: Mapping[str, str]
    """Repositories that say nothing, and why."""


def survey(repositories: Mapping[str, Repository], workloads: Collection[str]) -> Survey:
    """Ask every repository; one that is away or unreadable is named. WitnessUnsound for two environments'.

    One that was rolled back is named too where this machine's memory, which it has with its keys, has seen more of it.
    """
    words: list[LogWord] = []
    unread: dict[str, str] = {}
    identities: dict[str, str] = {}
    for name, repository in sorted(repositories.items()):
        try:
            known = repository.format().environment
            said = [_word(name, repository, each) for each in sorted({*workloads, *_logs(repository)})]
        except ReplicatorError as error:
            unread[name] = str(error)
            continue
        if known is not None:
            identities[name] = known
        words += said
    if len(set(identities.values())) > 1:
        told = ", ".join(f"{name} of {identity}" for name, identity in sorted(identities.items()))
        raise WitnessUnsound(
            f"these repositories are of more than one environment: {told}", hint="Name the right ones: --repo SITE=URL."
        )
    return Survey(tuple(words), next(iter(identities.values()), None), unread)


def _logs(repository: Repository) -> set[str]:
    return {key.split("/")[1] for key in repository.store.list("log")}


def _word(name: str, repository: Repository, workload: str) -> LogWord:
    log = repository.log(workload)
    view = log.view()
    seals = [each for each in log.entries() if isinstance(each, Seal)]
    return LogWord(
        name, workload, view.opened, view.sealed, tuple(each.operation for each in seals if each.operation is not None)
    )


def plan_repair(
    witness: Witness,
    found: Survey,
    *,
    by: str,
    reason: str,
    without: Collection[str] = (),
    believe: str | None = None,
) -> Rebuilt:
    """What would be written. ConsentRequired where a repository that was not left out says nothing; WitnessUnsound."""
    silent = {name: why for name, why in found.unread.items() if name not in without}
    if silent:
        name, why = next(iter(silent.items()))
        raise ConsentRequired(
            f"{name}'s repository says nothing ({why}): an assignment that it alone knows would be given out again",
            hint=f"Bring it back, or, if nothing can run at {name}: --without {name} --reason WHY.",
        )
    told = [word for word in found.words if word.repository not in without]
    if not told:
        raise RepositoryUnknown("no repository is left that says anything", hint="Name one: --repo SITE=URL.")
    known_id = witness.environment_id()
    if known_id is not None and found.environment is not None and known_id != found.environment:
        raise WitnessUnsound(
            f"witness {witness.url} is of environment {known_id}, and the repositories are of {found.environment}",
            hint="Check the `witness:` URL of the environment file.",
        )
    return rebuild(witness.assignments(), told, by=by, reason=reason, believe=believe)


def repair(
    witness: Witness, found: Survey, planned: Rebuilt, stand_ins: Callable[[str], Witness | None] = lambda _: None
) -> None:
    """Write what is missing. WitnessUnsound where somebody else wrote something else meanwhile.

    `stand_ins`: by site, what stood in for the witness there: the journal of an operation that went on without is taken
    over from it, and that operation goes on here.
    """
    witness.found(found.environment)
    for missing in planned.missing:
        each = _with_journal(missing, witness, stand_ins)
        stands = witness.assign(each)
        if stands.workloads != each.workloads:
            raise WitnessUnsound(
                f"assignment {each.number} was made by somebody else meanwhile, and is another",
                hint="Run drstack witness repair again: it looks anew.",
            )
    for each in witness.assignments():
        stand_in = _maker(each, stand_ins)
        if stand_in is not None and each.operation is not None:
            retire(stand_in, each.operation)


def _maker(assignment: Assignment, stand_ins: Callable[[str], Witness | None]) -> Witness | None:
    """What stood in for the witness when this was made; None for one that the witness made."""
    parts = assignment.workloads.values()
    made = [part for part in parts if part.without_witness is not None and part.term == assignment.number]
    return stand_ins(made[0].writer) if made else None


def _with_journal(missing: Assignment, witness: Witness, stand_ins: Callable[[str], Witness | None]) -> Assignment:
    """The assignment, named after the operation that made it if its journal could be taken over."""
    if missing.operation is None:
        return missing
    stand_in = _maker(missing, stand_ins)
    if stand_in is not None and take_over(witness, stand_in, missing.operation):
        return missing
    return missing.model_copy(update={"operation": None})
