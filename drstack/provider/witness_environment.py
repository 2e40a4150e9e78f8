"""drstack:witness:Environment: the environment's entry on the witness, in every stack of it.

Invariant: deleting it leaves the witness untouched; refreshing it with the witness away changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from drstack.custody.ring import listed
from drstack.errors import WitnessUnreachable, WitnessUnsound
from drstack.provider.environment import DeclaredWorkload, found_environment
from drstack.provider.kind import DRIFT, Created, Inputs, Kind
from drstack.provider.reach import open_witness
from drstack.provider.repositories import keys_at
from drstack.provider.sites import Name  # noqa: TC001 - pydantic reads it when it runs

if TYPE_CHECKING:
    from collections.abc import Mapping


class WorkloadInputs(Inputs):
    writer: Name
    acknowledge: tuple[Name, ...] = ()
    serves: dict[Name, int] = Field(default_factory=dict[str, int])


class EnvironmentInputs(Inputs):
    witness: str
    environment: Name
    workloads: dict[Name, WorkloadInputs]
    repositories: tuple[str, ...]
    sites: tuple[Name, ...] = ()
    keys: str | None = None
    """The operator's folder of the environment's trust file; None where nothing is signed."""


class Environment(Kind[EnvironmentInputs]):
    token = "drstack:witness:Environment"  # noqa: S105 - a type token
    inputs = EnvironmentInputs
    identity = ("environment",)
    at_create = ("keys",)
    computed = ("environmentId",)

    def create(self, inputs: EnvironmentInputs) -> Created:
        return Created(f"{inputs.witness}#{inputs.environment}", self._found(inputs))

    def update(self, inputs: EnvironmentInputs) -> Mapping[str, object]:
        """Also by another witness than before, once that one was given all that the old one had."""
        if open_witness(inputs.witness, inputs.environment).environment_id() is None:
            raise _forgotten(inputs)
        return self._found(inputs)

    def _found(self, inputs: EnvironmentInputs) -> Mapping[str, object]:
        witness = open_witness(inputs.witness, inputs.environment)
        keys = keys_at(inputs.keys, inputs.environment)
        declared = {
            n: DeclaredWorkload(
                each.writer, each.acknowledge, each.serves, listed(keys.trust, each.writer) if keys else ()
            )
            for n, each in inputs.workloads.items()
        }
        identity = found_environment(witness, declared, inputs.repositories, inputs.sites, keys)
        return {**_as_given(inputs), "environmentId": identity, DRIFT: []}

    def read(self, inputs: EnvironmentInputs) -> Mapping[str, object] | None:
        witness = open_witness(inputs.witness, inputs.environment)
        try:
            identity, current = witness.environment_id(), witness.current()
        except WitnessUnreachable:
            return _as_given(inputs)
        if identity is None or current is None:
            raise _forgotten(inputs)
        drift = [f"workload {name} has no assignment" for name in inputs.workloads if name not in current.workloads]
        return {**_as_given(inputs), "environmentId": identity, DRIFT: drift}

    def delete(self, inputs: EnvironmentInputs) -> None:
        """The witness never goes backwards (DESIGN, rule 11)."""


def _forgotten(inputs: EnvironmentInputs) -> WitnessUnsound:
    return WitnessUnsound(
        f"witness {inputs.witness} knows no environment {inputs.environment}, which this stack founded",
        hint=f"drstack witness repair {inputs.environment} puts it back; nothing is founded a second time.",
    )


def _as_given(inputs: EnvironmentInputs) -> dict[str, object]:
    """Without defaults inside of workloads, which no diff may show as a change."""
    return inputs.model_dump(by_alias=True, exclude_unset=True)
