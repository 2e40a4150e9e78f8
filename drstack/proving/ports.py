"""What proving asks of a platform: a room apart, in which a workload's job runs from a checkpoint and ships nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

Ended = Literal["done", "crashed", "killed", "timed out", "gave way", "not started"]
"""crashed: a rank ended by itself before all steps were made. killed: by a signal, so that nothing is known of why."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How a replay ended. `exact`: what the trainer says, whether its losses must be those of the run, bit for bit."""

    ended: Ended
    why: str = ""
    resumed_step: int | None = None
    exact: bool | None = None
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    losses: Mapping[int, float] = field(default_factory=dict[int, float])


class Room(Protocol):
    """A folder of its own, removed afterwards."""

    @property
    def checkpoints(self) -> Path:
        """Where the trainer will look for checkpoints."""
        ...

    def run(
        self,
        *,
        ranks: int,
        resume_step: int | None,
        steps: int,
        deadline_s: float,
        give_way: Callable[[], str | None],
    ) -> Replay:
        """Run the job for so many steps from `resume_step`, or from nothing. `give_way` says why it must end, if so.

        Never raises for what the job does; no process of it is left.
        """
        ...


class Standby(Protocol):
    """The part of a site that nobody uses."""

    @property
    def site(self) -> str: ...

    def wanted(self) -> str | None:
        """Why there is nothing idle to replay on; None where there is. The same call says when to give way."""
        ...

    def room(self, workload: str) -> AbstractContextManager[Room]:
        """ActuatorFailed if the site has no job of that workload, or another proof runs there."""
        ...
