"""drstack:witness:SiteDescriptor: what others must know of a site, published on the witness.

Invariant: the newest descriptor on the witness is what this stack declares, and one that a promotion could not read is
refused before it is published; deleting leaves it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from drstack.errors import WitnessUnreachable
from drstack.platforms.local.descriptor import LocalDescriptor
from drstack.provider.kind import DRIFT, Created, Failure, Inputs, Kind
from drstack.provider.reach import open_witness
from drstack.provider.sites import Name  # noqa: TC001 - pydantic reads it when it runs
from drstack.provider.values import has_unknown
from drstack.witness.witness import descriptor_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.provider.values import Plain


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

    def check(self, inputs: Mapping[str, Plain]) -> list[Failure]:
        given = inputs.get("descriptor")
        if not isinstance(given, dict) or given.get("platform", "local") != "local":
            return []
        unknown = {name for name, value in given.items() if has_unknown(value)}
        try:
            LocalDescriptor.model_validate({name: value for name, value in given.items() if name not in unknown})
        except ValidationError as error:
            return [
                Failure(".".join(("descriptor", *map(str, each["loc"]))), each["msg"])
                for each in error.errors()
                if each["loc"][0] not in unknown
            ]
        return []

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
