"""drstack:local:Replicator: the site's replicator service, told by `replicator.service.config.ServiceConfig`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.replicator import ensure_replicator, remove_replicator, replicator_drift
from drstack.platforms.local.supervisor import Supervisor
from drstack.provider.kind import DRIFT, Created, Inputs, Kind
from drstack.provider.sites import Folder, identify, present
from replicator.service.config import ServiceConfig  # noqa: TC001 - pydantic reads it when it runs

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReplicatorInputs(Inputs):
    folder: Folder
    config: ServiceConfig


class Replicator(Kind[ReplicatorInputs]):
    token = "drstack:local:Replicator"  # noqa: S105 - a type token
    inputs = ReplicatorInputs
    identity = ("folder",)

    def create(self, inputs: ReplicatorInputs) -> Created:
        return Created(identify(inputs.folder, "replicator"), self.update(inputs))

    def update(self, inputs: ReplicatorInputs) -> Mapping[str, object]:
        ensure_replicator(site_folder(inputs.folder), inputs.config)
        return _outputs(inputs, [])

    def read(self, inputs: ReplicatorInputs) -> Mapping[str, object] | None:
        folder = site_folder(inputs.folder)
        if not present(folder) or not folder.replicator_config.exists():
            return None
        return _outputs(inputs, replicator_drift(folder))

    def delete(self, inputs: ReplicatorInputs) -> None:
        folder = site_folder(inputs.folder)
        if present(folder) and Supervisor(folder).answers():
            remove_replicator(folder, deadline_s=30)


def _outputs(inputs: ReplicatorInputs, drift: list[str]) -> dict[str, object]:
    told = inputs.config.model_dump(mode="json", exclude_unset=True)
    return {"folder": inputs.folder, "config": told, DRIFT: drift}
