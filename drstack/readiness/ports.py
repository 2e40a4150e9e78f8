"""What readiness asks of a platform about one standby, beyond what recovery asks of a site.

`drstack.platforms` implements it for each. Nothing here changes anything; every call ends within its deadline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from replicator.versions.fit import Machine


@dataclass(frozen=True, slots=True)
class Controller:
    """Something that would undo what an actuator turns: another owner, GitOps, an autoscaler."""

    name: str
    undoes: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Look:
    """One standby. `at`: unix seconds. Whatever could not be asked is None, and `unknown` says why."""

    at: float
    unlike: tuple[str, ...] = ()
    """What is there otherwise than the descriptor says."""
    controllers: tuple[Controller, ...] = ()
    undefined: tuple[str, ...] = ()
    """Workloads that have no job there."""
    held_slots: int = 0
    """Worker slots of what goes on running there and writes nothing."""
    free_bytes: int | None = None
    """Of the file system that a checkpoint would be restored to."""
    machine: Machine | None = None
    images: Mapping[str, bool | None] = field(default_factory=dict[str, "bool | None"])
    """By reference, each container image that a job names by digest: whether it is there."""
    drift: tuple[str, ...] = ()
    """What runs otherwise than it should, in words."""
    unknown: Mapping[str, str] = field(default_factory=dict[str, str])
    replicator_log: str | None = None
    """Where its replicator's log lies, for who reads it on the machine that looks."""
    run_logs: Mapping[str, str] = field(default_factory=dict[str, str])
    """By workload, where the log of its first rank lies."""


class Probe(Protocol):
    def look(self, workloads: Collection[str], *, deadline_s: float) -> Look | None:
        """None for a site that is away; never raises."""
        ...
