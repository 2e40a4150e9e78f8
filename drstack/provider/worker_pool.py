"""drstack:local:WorkerPool: slots between two bounds.

Invariant: `initialSlots` counts when the pool is made, or taken back after the site was down and written elsewhere;
later the number of slots that run is an actuator's (DESIGN, rule 10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.pool import Bounds, ensure_pool, pool_drift, remove_pool
from drstack.platforms.local.supervisor import Supervisor
from drstack.provider.kind import DRIFT, Created, Failure, Inputs, Kind
from drstack.provider.opens import site_writes
from drstack.provider.sites import Folder, identify, present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.provider.values import Plain


class WorkerPoolInputs(Inputs):
    folder: Folder
    min_slots: int = Field(default=0, ge=0)
    max_slots: int = Field(ge=1, le=10_000)
    initial_slots: int | None = Field(default=None, ge=0)
    devices: Literal["cpu", "auto"] = "cpu"


class WorkerPool(Kind[WorkerPoolInputs]):
    token = "drstack:local:WorkerPool"  # noqa: S105 - a type token
    inputs = WorkerPoolInputs
    identity = ("folder",)
    at_create = ("initialSlots",)

    def check(self, inputs: Mapping[str, Plain]) -> list[Failure]:
        least, most, first = inputs.get("minSlots", 0), inputs.get("maxSlots"), inputs.get("initialSlots")
        failures: list[Failure] = []
        if first is None:
            reason = "is missing: neither witness nor repository says what this site is, so that its size is not known"
            failures.append(Failure("initialSlots", reason))
        if isinstance(least, int) and isinstance(most, int) and least > most:
            failures.append(Failure("minSlots", f"is {least}, more than maxSlots ({most})"))
        elif isinstance(first, int) and isinstance(most, int) and isinstance(least, int) and not least <= first <= most:
            failures.append(Failure("initialSlots", f"is {first}, outside of {least} to {most}"))
        return failures

    def create(self, inputs: WorkerPoolInputs) -> Created:
        return Created(identify(inputs.folder, "pool"), self.update(inputs))

    def update(self, inputs: WorkerPoolInputs) -> Mapping[str, object]:
        folder = site_folder(inputs.folder)
        bounds = Bounds(inputs.min_slots, inputs.max_slots, inputs.devices)
        ensure_pool(folder, bounds, initial_slots=inputs.initial_slots, writes=_writes(folder))
        return {**inputs.model_dump(by_alias=True), DRIFT: []}

    def read(self, inputs: WorkerPoolInputs) -> Mapping[str, object] | None:
        folder = site_folder(inputs.folder)
        if not present(folder) or not folder.desired.exists():
            return None
        return {**inputs.model_dump(by_alias=True), DRIFT: pool_drift(folder)}

    def delete(self, inputs: WorkerPoolInputs) -> None:
        folder = site_folder(inputs.folder)
        if present(folder) and Supervisor(folder).answers():
            remove_pool(folder, deadline_s=60)


def _writes(folder: SiteFolder) -> set[str]:
    """Workloads with a job here that the site's own repository says it writes."""
    desired = read_desired(folder)
    return {workload for workload in (desired.jobs if desired else ()) if site_writes(folder, workload)}
