"""drstack:local:Replicator: the site's replicator service, the prover that tries what arrives, and the holder of leases.

They are told by `replicator.service.config.ServiceConfig`, `drstack.platforms.local.prover.ProverConfig` and
`drstack.platforms.local.lease.HolderConfig`; a site without `prover` or `holder` has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.holding import ensure_holder, holder_drift, remove_holder
from drstack.platforms.local.lease import HolderConfig  # noqa: TC001 - pydantic reads it when it runs
from drstack.platforms.local.prover import ProverConfig  # noqa: TC001 - pydantic reads it when it runs
from drstack.platforms.local.proving import ensure_prover, prover_drift, remove_prover
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
    prover: ProverConfig | None = None
    holder: HolderConfig | None = None


class Replicator(Kind[ReplicatorInputs]):
    token = "drstack:local:Replicator"  # noqa: S105 - a type token
    inputs = ReplicatorInputs
    identity = ("folder",)

    def create(self, inputs: ReplicatorInputs) -> Created:
        return Created(identify(inputs.folder, "replicator"), self.update(inputs))

    def update(self, inputs: ReplicatorInputs) -> Mapping[str, object]:
        folder = site_folder(inputs.folder)
        ensure_replicator(folder, inputs.config)
        ensure_prover(folder, inputs.prover)
        ensure_holder(folder, inputs.holder)
        return _outputs(inputs, [])

    def read(self, inputs: ReplicatorInputs) -> Mapping[str, object] | None:
        folder = site_folder(inputs.folder)
        if not present(folder) or not folder.replicator_config.exists():
            return None
        told = [*prover_drift(folder, inputs.prover), *holder_drift(folder, inputs.holder)]
        return _outputs(inputs, [*replicator_drift(folder), *told])

    def delete(self, inputs: ReplicatorInputs) -> None:
        folder = site_folder(inputs.folder)
        if present(folder) and Supervisor(folder).answers():
            remove_holder(folder)
            remove_prover(folder)
            remove_replicator(folder, deadline_s=30)


def _outputs(inputs: ReplicatorInputs, drift: list[str]) -> dict[str, object]:
    told = inputs.config.model_dump(mode="json", exclude_unset=True)
    proves = {} if inputs.prover is None else {"prover": inputs.prover.model_dump(mode="json", exclude_unset=True)}
    holds = {} if inputs.holder is None else {"holder": inputs.holder.model_dump(mode="json", exclude_unset=True)}
    return {"folder": inputs.folder, "config": told, **proves, **holds, DRIFT: drift}
