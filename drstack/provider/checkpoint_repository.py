"""drstack:local:CheckpointRepository: the site's store, brought up to the assignment that stands.

Invariant: it is sealed and opened for the current terms before anything else at the site starts (DESIGN, rule 3), and
only with the witness's word is a fence lifted; the store is never deleted from here. What another site writes does not run
here, and while a promotion takes the work from here nothing is started that it has stopped, or could not reach.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from drstack.errors import WitnessUnreachable, WitnessUnsound
from drstack.platforms.local.desired import Desired, change, read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.keys import place_keys
from drstack.platforms.local.ownership import read_record
from drstack.provider.kind import DRIFT, Created, Inputs, Kind
from drstack.provider.reach import open_witness
from drstack.provider.repositories import keys_at, make_or_find, open_with, require_ours
from drstack.provider.sites import Folder, Name, identify
from drstack.recovery.admission import bring_up_to
from drstack.recovery.anchored import require_whole
from drstack.recovery.operation import takes_all, told, unfinished
from replicator.errors import KeyAbsent, RepositoryUnknown, Untrusted
from replicator.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.witness.assignment import Assignment
    from drstack.witness.witness import Witness
    from replicator.repository.repository import Repository


class CheckpointRepositoryInputs(Inputs):
    folder: Folder
    witness: str
    environment: Name
    workloads: tuple[Name, ...]
    keys: Folder | None = None
    """The operator's folder of the environment's trust file and keys; None: neither encrypted nor signed."""


class CheckpointRepository(Kind[CheckpointRepositoryInputs]):
    token = "drstack:local:CheckpointRepository"  # noqa: S105 - a type token
    inputs = CheckpointRepositoryInputs
    identity = ("folder", "environment")
    at_create = ("keys",)
    computed = ("url",)

    def create(self, inputs: CheckpointRepositoryInputs) -> Created:
        return Created(identify(inputs.folder, "repository"), self.update(inputs))

    def update(self, inputs: CheckpointRepositoryInputs) -> Mapping[str, object]:
        assignment, environment_id = _current(inputs)
        folder = site_folder(inputs.folder)
        folder.store.mkdir(parents=True, exist_ok=True)
        keys, record = keys_at(inputs.keys, inputs.environment), read_record(folder)
        if keys is not None and record is not None:
            place_keys(folder, keys.folder, record.site)
        repository = make_or_find(
            LocalStore(folder.store).url, keys, environment=environment_id, witness=inputs.witness,
            name=record.site if record is not None else folder.path.name,
        )  # fmt: skip
        witness = open_witness(inputs.witness, inputs.environment)
        for workload in inputs.workloads:
            require_whole(witness, repository, workload)
            _require_known(inputs, assignment, workload, repository)
            bring_up_to(assignment, workload, repository)
        taking = _taking(witness, folder)
        if folder.desired.exists():
            change(folder, lambda now: _as_assigned(now or Desired(0), assignment, folder, taking))
        return self._outputs(inputs, [] if taking is None else [taking])

    def read(self, inputs: CheckpointRepositoryInputs) -> Mapping[str, object] | None:
        folder = site_folder(inputs.folder)
        if not folder.store.is_dir():
            return None
        try:
            repository = open_with(LocalStore(folder.store).url, keys_at(inputs.keys, inputs.environment))
            require_ours(repository)
        except RepositoryUnknown as error:
            return None if "holds no repository" in str(error) else self._outputs(inputs, [str(error)])
        except Untrusted as error:
            return self._outputs(inputs, [str(error)])
        except KeyAbsent:  # who has no keys cannot say how it is
            return self._outputs(inputs, [])
        try:
            assignment, _ = _current(inputs)
        except WitnessUnreachable:
            return self._outputs(inputs, [])
        for workload in inputs.workloads:
            _require_known(inputs, assignment, workload, repository)
        fence, taking = _fence(folder), _taking(open_witness(inputs.witness, inputs.environment), folder)
        drift = [] if fence is None else [f"the site is fenced: {fence}"]
        drift += [f"{name} runs here, and {assignment.writer(name)} writes it" for name in _astray(folder, assignment)]
        drift += [] if taking is None else [taking]
        for workload in inputs.workloads:
            term = repository.log(workload).view().term
            wanted = assignment.workloads[workload].term if workload in assignment.workloads else 0
            if term < wanted:
                drift.append(f"{workload}: term {term} is open, the assignment's is {wanted}")
        return self._outputs(inputs, drift)

    def delete(self, inputs: CheckpointRepositoryInputs) -> None:
        """The site decides, by `onDestroy`, what becomes of its data."""

    def _outputs(self, inputs: CheckpointRepositoryInputs, drift: list[str]) -> dict[str, object]:
        url = LocalStore(site_folder(inputs.folder).store).url
        return {**inputs.model_dump(by_alias=True), "url": url, DRIFT: drift}


def _require_known(
    inputs: CheckpointRepositoryInputs, assignment: Assignment, workload: str, repository: Repository
) -> None:
    """WitnessUnsound where the log knows more than the witness, or otherwise: what runs here may be right (rule 11)."""
    view, part = repository.log(workload).view(), assignment.workloads.get(workload)
    if max(view.term, view.sealed) > assignment.number:
        raise WitnessUnsound(
            f"witness {inputs.witness} is behind: {repository.store.url} has opened term {view.term} of {workload}, and the "
            f"newest assigned is {assignment.number}; nothing was touched",
            hint=f"drstack witness repair {inputs.environment} --plan says more.",
        )
    if part is not None and view.term == part.term and view.opened[view.term].writer != part.writer:
        raise WitnessUnsound(
            f"term {view.term} of {workload} was opened for {view.opened[view.term].writer} in {repository.store.url}, and "
            f"assignment {assignment.number} says {part.writer}; nothing was touched",
            hint="Find out which of the two runs, and make a later one: drstack promote "
            f"{inputs.environment} --to SITE --reason '…'",
        )


def _fence(folder: SiteFolder) -> str | None:
    desired = read_desired(folder)
    return None if desired is None else desired.fenced


def _taking(witness: Witness, folder: SiteFolder) -> str | None:
    """The promotion that takes the work from this site and has not ended, in words."""
    record, running = read_record(folder), unfinished(witness)
    if record is None or running is None or not takes_all(running, record.site):
        return None
    return f"{told(running)} takes its work elsewhere"


def _as_assigned(now: Desired, assignment: Assignment, folder: SiteFolder, taking: str | None) -> Desired:
    """The witness was asked and the repository is up to it: what the site does not write stays stopped, or is stopped."""
    if taking is not None:
        return replace(now.stopped(), fenced=now.fenced or taking)
    record = read_record(folder)
    roles = assignment.roles(record.site) if record is not None else {}
    if now.fenced is not None:
        return now.taken_back({name for name, role in roles.items() if role == "writer"}, now.slots)
    for name in _astray(folder, assignment):
        now = now.with_job(name, replace(now.jobs[name], running=False))
    return now


def _astray(folder: SiteFolder, assignment: Assignment) -> list[str]:
    """What is to run here and is another site's to write: this one was away when that was decided."""
    record, desired = read_record(folder), read_desired(folder)
    if record is None or desired is None:
        return []
    trains = [name for name, job in sorted(desired.jobs.items()) if job.running and job.program.serving is None]
    return [name for name in trains if name in assignment.workloads and assignment.writer(name) != record.site]


def _current(inputs: CheckpointRepositoryInputs) -> tuple[Assignment, str]:
    witness = open_witness(inputs.witness, inputs.environment)
    assignment, environment_id = witness.current(), witness.environment_id()
    if assignment is None or environment_id is None:
        raise WitnessUnsound(
            f"witness {inputs.witness} has no assignment of {inputs.environment}",
            hint="Its environment resource makes assignment 1: drstack up ENV.",
        )
    return assignment, environment_id
