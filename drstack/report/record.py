"""What a report is made of: marks in time of one failure and the recovery from it.

Every `at` is unix seconds, every `_s` a number of seconds. Invariant: times are finite and durations not negative, and
whatever the report says is derived from these values alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

PhaseName = Literal[
    "detect", "facts", "plan", "fence", "seal", "assign", "pin", "restore", "actuate", "start", "prove", "reconcile"
]
CheckpointKind = Literal["saved", "committed", "torn", "restored"]
Grade = Literal["proven", "lease-expired", "assumed"]
PHASES: tuple[PhaseName, ...] = get_args(PhaseName)


@dataclass(frozen=True, slots=True)
class StepMark:
    """A training step that a site reported done. `loss` is the training loss; None where none was reported."""

    site: str
    step: int
    at: float
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class CheckpointMark:
    """What became of a checkpoint: saved by `site`, committed to `repository`, torn, or restored on `site`.

    `repository` is the site whose repository it concerns; None for a save, which concerns none.
    """

    site: str
    step: int
    at: float
    kind: CheckpointKind
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """How a site died. `step` is the last that it did; `files` says what became of its files; `how`, by what."""

    site: str
    at: float
    step: int
    files: str
    how: str = "SIGKILL"


@dataclass(frozen=True, slots=True)
class Phase:
    name: PhaseName
    began_at: float
    ended_at: float

    @property
    def seconds(self) -> float:
        return max(self.ended_at - self.began_at, 0.0)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A dead site came back and offered `what`; it was not accepted, because of `why`."""

    site: str
    at: float
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class FenceMark:
    """How sure it is that a site cannot act any more. `proof` is what the platform said, or why it said nothing."""

    site: str
    grade: Grade
    proof: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The resumed run held against another, by loss, step by step, for `steps_compared` steps.

    `against` names the other in words; `first_difference` is the first step at which they differ, if any does.
    """

    match: bool
    steps_compared: int
    first_difference: int | None = None
    against: str = "the lost one"


@dataclass(frozen=True, slots=True)
class VersionMark:
    """One thing that a run depends on: as the recovery point was made with (`then`), and as the new site has it (`now`)."""

    about: str
    match: Literal["same", "differs", "unknown"]
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class RecoveryRecord:
    """One recovery of one workload. `sites`: who wrote before, who writes now, then any others.

    `facts` are rows for the reader (hardware, versions, the crypto suite); `document` is the JSON of the command that
    recovered. ValueError where the values contradict the invariant.
    """

    environment: str
    workload: str
    made_at: float
    sites: tuple[str, ...]
    steps: tuple[StepMark, ...]
    checkpoints: tuple[CheckpointMark, ...]
    failure: Failure
    phases: tuple[Phase, ...]
    rpo_s: float
    rto_s: float
    rpo_objective_s: float
    rto_objective_s: float
    refused: tuple[Refusal, ...] = ()
    fences: tuple[FenceMark, ...] = ()
    reference: Reference | None = None
    facts: dict[str, str] = field(default_factory=dict[str, str])
    document: dict[str, object] = field(default_factory=dict[str, object])
    versions: tuple[VersionMark, ...] = ()

    def __post_init__(self) -> None:
        if len(self.sites) < 2:  # noqa: PLR2004
            raise ValueError("a recovery has two sites: who wrote before, and who writes now")
        for name in ("rpo_s", "rto_s", "rpo_objective_s", "rto_objective_s"):
            value: float = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is no duration: {value}")
        marks = (*self.steps, *self.checkpoints, *self.refused, self.failure)
        times = [mark.at for mark in marks] + [at for each in self.phases for at in (each.began_at, each.ended_at)]
        if not all(math.isfinite(at) for at in (*times, self.made_at)):
            raise ValueError("a mark or phase has a time that is not finite")

    @property
    def writer_before(self) -> str:
        return self.sites[0]

    @property
    def writer_now(self) -> str:
        return self.sites[1]

    @property
    def recovery_step(self) -> int | None:
        """The step that the new writer went on from; None if it restored nothing."""
        here = [each for each in self.checkpoints if each.kind == "restored" and each.site == self.writer_now]
        return max(here, key=lambda each: each.at).step if here else None

    @property
    def lost_steps(self) -> int:
        return max(self.failure.step - (self.recovery_step or 0), 0)

    @property
    def rpo_met(self) -> bool:
        return self.rpo_s <= self.rpo_objective_s

    @property
    def rto_met(self) -> bool:
        return self.rto_s <= self.rto_objective_s
