"""drstack:witness:SiteDescriptor: what others must know of a site, published on the witness.

Invariant: the newest descriptor on the witness is what this stack declares; deleting leaves it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import WitnessUnreachable
from drstack.provider.kind import DRIFT, Created, Inputs, Kind
from drstack.provider.reach import open_witness
from drstack.provider.sites import Name  # noqa: TC001 - pydantic reads it when it runs
from drstack.witness.witness import descriptor_hash

if TYPE_CHECKING:
    from collections.abc import Mapping


class SiteDescriptorInputs(Inputs):
    witness: str
    environment: Name
    site: Name
    descriptor: dict[str, Any]


class SiteDescriptor(Kind[SiteDescriptorInputs]):
    token = "drstack:witness:SiteDescriptor"  # noqa: S105 - a type token
    inputs = SiteDescriptorInputs
    identity = ("environment", "site")
    computed = ("hash",)

    def create(self, inputs: SiteDescriptorInputs) -> Created:
        return Created(f"{inputs.witness}#{inputs.environment}/{inputs.site}", self.update(inputs))

    def update(self, inputs: SiteDescriptorInputs) -> Mapping[str, object]:
        open_witness(inputs.witness, inputs.environment).publish(inputs.site, inputs.descriptor)
        return _outputs(inputs, [])

    def read(self, inputs: SiteDescriptorInputs) -> Mapping[str, object] | None:
        try:
            there = open_witness(inputs.witness, inputs.environment).descriptor(inputs.site)
        except WitnessUnreachable:
            return _outputs(inputs, [])
        if there is None:
            return None
        return _outputs(inputs, [] if there == inputs.descriptor else ["another descriptor was published"])

    def delete(self, inputs: SiteDescriptorInputs) -> None:
        """Descriptors stay: the witness never goes backwards."""


def _outputs(inputs: SiteDescriptorInputs, drift: list[str]) -> dict[str, object]:
    return {**inputs.model_dump(by_alias=True), "hash": descriptor_hash(inputs.descriptor), DRIFT: drift}
