"""What a local site publishes on the witness: all that actuators need of it (DESIGN, section 1, "site descriptor").

Decides the format, version 1. Invariant: it holds names, places and bounds, never values that actuators turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drstack.errors import WitnessUnsound

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Capacity(_Part):
    minimum: int = Field(ge=0)
    maximum: int = Field(ge=0)


class LocalWorkload(_Part):
    checkpoints: str
    """Absolute path of the folder where the trainer looks for checkpoints."""
    metrics: str
    ranks: int = Field(ge=0)


class LocalServing(_Part):
    """A workload that answers requests here, with the checkpoints of `model`."""

    model: str
    replicas: int = Field(ge=1)


class LocalDescriptor(_Part):
    version: Literal[1] = 1
    platform: Literal["local"] = "local"
    environment: str
    environment_id: str | None = None
    site: str
    owner: str
    """Organization, project and stack that own the site."""
    folder: str
    repository: str
    """URL of the site's object store."""
    keys: str | None = None
    """Folder of the site's keys; None where its repository is plain. No key is ever in a descriptor."""
    capacity: Capacity
    workloads: dict[str, LocalWorkload]
    serving: dict[str, LocalServing] = Field(default_factory=dict[str, LocalServing])
    router: str | None = None
    """Folder of the environment's router; None where nothing is served."""


def read_descriptor(body: Mapping[str, Any]) -> LocalDescriptor:
    """WitnessUnsound if it is none that this version reads."""
    try:
        return LocalDescriptor.model_validate(body)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise WitnessUnsound(
            f"the descriptor of site {body.get('site')!r} cannot be read: {faults}",
            hint="drstack up ENV publishes it anew.",
        ) from error
