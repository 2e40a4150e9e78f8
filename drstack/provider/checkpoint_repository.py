"""drstack:local:CheckpointRepository: the site's store, brought up to the assignment that stands.

Invariant: it is sealed and opened for the current terms before anything else at the site starts (DESIGN, rule 3), and
only with the witness's word is a fence lifted; the store is never deleted from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import WitnessUnreachable, WitnessUnsound
from drstack.platforms.local.desired import Desired, change, read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.ownership import read_record
from drstack.provider.kind import DRIFT, Created, Inputs, Kind
from drstack.provider.reach import clock, open_witness, token
from drstack.provider.sites import Folder, Name, identify
from drstack.recovery.admission import bring_up_to
from drstack.recovery.anchored import require_whole
from replicator.errors import RepositoryUnknown
from replicator.log.workload import WorkloadLog
from replicator.repository.format import initialise, read_format
from replicator.repository.repository import Repository
from replicator.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.witness.assignment import Assignment


class CheckpointRepositoryInputs(Inputs):
    folder: Folder
    witness: str
    environment: Name
    workloads: tuple[Name, ...]


class CheckpointRepository(Kind[CheckpointRepositoryInputs]):
    token = "drstack:local:CheckpointRepository"  # noqa: S105 - a type token
    inputs = CheckpointRepositoryInputs
    identity = ("folder", "environment")
    computed = ("url",)

    def create(self, inputs: CheckpointRepositoryInputs) -> Created:
        return Created(identify(inputs.folder, "repository"), self.update(inputs))

    def update(self, inputs: CheckpointRepositoryInputs) -> Mapping[str, object]:
        assignment, environment_id = _current(inputs)
        folder = site_folder(inputs.folder)
        folder.store.mkdir(parents=True, exist_ok=True)
        store = LocalStore(folder.store)
        initialise(store, environment=environment_id, witness=inputs.witness, clock=clock, token=token)
        record = read_record(folder)
        there = Repository(record.site if record else folder.path.name, store)
        witness = open_witness(inputs.witness, inputs.environment)
        for workload in inputs.workloads:
            require_whole(witness, there, workload)
            bring_up_to(assignment, workload, store, clock=clock, token=token)
        if _fence(folder) is not None:
            change(folder, lambda now: _taken_back(now or Desired(0), assignment, folder))
        return self._outputs(inputs, [])

    def read(self, inputs: CheckpointRepositoryInputs) -> Mapping[str, object] | None:
        store = LocalStore(site_folder(inputs.folder).store)
        if not site_folder(inputs.folder).store.is_dir():
            return None
        try:
            read_format(store)
        except RepositoryUnknown as error:
            return None if "holds no repository" in str(error) else self._outputs(inputs, [str(error)])
        try:
            assignment, _ = _current(inputs)
        except WitnessUnreachable:
            return self._outputs(inputs, [])
        fence = _fence(site_folder(inputs.folder))
        drift = [] if fence is None else [f"the site is fenced: {fence}"]
        for workload in inputs.workloads:
            term = WorkloadLog(store, workload, clock=clock, token=token).view().term
            wanted = assignment.workloads[workload].term if workload in assignment.workloads else 0
            if term < wanted:
                drift.append(f"{workload}: term {term} is open, the assignment's is {wanted}")
        return self._outputs(inputs, drift)

    def delete(self, inputs: CheckpointRepositoryInputs) -> None:
        """The site decides, by `onDestroy`, what becomes of its data."""

    def _outputs(self, inputs: CheckpointRepositoryInputs, drift: list[str]) -> dict[str, object]:
        url = LocalStore(site_folder(inputs.folder).store).url
        return {**inputs.model_dump(by_alias=True), "url": url, DRIFT: drift}


def _fence(folder: SiteFolder) -> str | None:
    desired = read_desired(folder)
    return None if desired is None else desired.fenced


def _taken_back(now: Desired, assignment: Assignment, folder: SiteFolder) -> Desired:
    """The witness was asked and the repository is up to it: what the site does not write stays stopped."""
    record = read_record(folder)
    roles = assignment.roles(record.site) if record is not None else {}
    return now.taken_back({name for name, role in roles.items() if role == "writer"}, now.slots)


def _current(inputs: CheckpointRepositoryInputs) -> tuple[Assignment, str]:
    witness = open_witness(inputs.witness, inputs.environment)
    assignment, environment_id = witness.current(), witness.environment_id()
    if assignment is None or environment_id is None:
        raise WitnessUnsound(
            f"witness {inputs.witness} has no assignment of {inputs.environment}",
            hint="Its environment resource makes assignment 1: drstack up ENV.",
        )
    return assignment, environment_id
