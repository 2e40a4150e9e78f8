"""What a drill's operator tells the process that plays it: a JSON file in the drill's folder.

Invariant: it names no secret, and nothing of the real environment but where to read from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

FILE = "script.json"
RESULT = "result.json"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PointToCopy(Frozen):
    """A real recovery point, pinned by the operator."""

    workload: str
    repository: str
    """The site whose repository it is read from."""
    commit: tuple[int, int]


class Script(Frozen):
    """`environment`: the real one; `name`: the drill's, `<env>--drill-<id>`."""

    environment: str
    name: str
    folder: Path
    root: Path
    lost: str
    target: str
    points: tuple[PointToCopy, ...]
    component: Literal["restore", "capacity", "start"] | None
    by: str
    operator_pid: int
    real: tuple[str, ...]
    """Places of the real environment, which no job may name."""
    writable: tuple[Path, ...]
    """What may be written besides the drill's folder."""
    confined: bool
    """False: the operator allowed that the kernel does not hold the drill to its folder."""


class StepPlayed(Frozen):
    id: str
    took_s: float | None
    """None where it did not come to its end."""
    failure: str | None = None


class Logged(Frozen):
    """Losses of the drill's run, as hexadecimal floats by step."""

    resumed_step: int | None
    exact: bool | None
    versions: dict[str, str]
    losses: dict[int, str]


class Played(Frozen):
    """What the drill's process says at its end. `error` and `hint`: why it did not come to a good one."""

    confined: bool
    prepared_s: float | None = None
    began_at: float | None = None
    """When the promotion of the drill began, unix seconds."""
    rto_s: dict[str, float] = {}
    """Per workload from the beginning to its first step."""
    step: dict[str, int] = {}
    """Per workload the step that was restored."""
    phases: tuple[dict[str, str | float], ...] = ()
    steps: tuple[StepPlayed, ...] = ()
    logged: dict[str, Logged] = {}
    error: str | None = None
    hint: str | None = None
    refused: bool = False
    """It ended before the promotion began: something cannot be had apart, or made."""
