"""What recovery asks of a platform: to look at a site, to fence it, and to turn its actuators.

Recovery knows no platform; `drstack.platforms` implements these for each. Every call ends within its deadline or
raises ActuatorFailed. Acting is convergent: look, act only if needed, look again (DESIGN, rules 9, 10, 12).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

HOPELESS = 3
"""Starts that failed in a row, after which nobody need wait for another."""
FenceGrade = Literal["proven", "lease-expired", "assumed"]


@dataclass(frozen=True, slots=True)
class JobObservation:
    """A workload's processes at a site. `step` is the last step that the run reported, at `step_at` (unix s)."""

    running: bool
    ranks: int
    generation: int = 0
    """Counts the starts that actuators asked for."""
    resumed_step: int | None = None
    first_step: int | None = None
    """The first step that this generation made, at `first_step_at` (unix s)."""
    first_step_at: float | None = None
    step: int | None = None
    step_at: float | None = None
    failure: str | None = None
    """Why it is not running, where the platform knows."""
    wanted: bool | None = None
    """Whether it is to run there; None where the platform does not say."""
    failures: int = 0
    """How often in a row it was started by itself and failed."""

    @property
    def stopped(self) -> bool:
        """Nothing of it runs, and nothing of it is going to by itself: it is not to, or it fails whenever it is started."""
        return (self.wanted is False and not self.running and not self.ranks) or self.hopeless

    @property
    def hopeless(self) -> bool:
        """It failed again and again soon after its start, and does not run now."""
        return self.failures >= HOPELESS and not self.running


@dataclass(frozen=True, slots=True)
class Verified:
    """What a site's replicator says of its own repository; times are unix seconds, None: never."""

    drilled_at: float | None = None
    drilled: str | None = None
    """What the last drill restored, in words."""
    drill_ok: bool = True
    scrubbed_at: float | None = None
    """When all of it had last been read."""
    damaged: int = 0
    overdue: tuple[str, ...] = ()
    """Of `scrub` and `drill`."""
    next: tuple[str, ...] = ()
    """What to test next."""
    at: float | None = None
    """When it said so."""


@dataclass(frozen=True, slots=True)
class SiteObservation:
    """What a site looks like now. `reachable` False says that it could not be seen, not that it died (rule 8)."""

    site: str
    reachable: bool
    why: str = ""
    capacity: int = 0
    """Worker slots that run."""
    capacity_bound: int = 0
    """Worker slots that the site can have."""
    replicator_running: bool = False
    jobs: Mapping[str, JobObservation] = field(default_factory=dict[str, JobObservation])
    proving: Mapping[str, str] = field(default_factory=dict[str, str])
    """Per workload what the site's prover last said, in one line; nothing where none runs."""
    verified: Verified | None = None
    """How its repository was last tried; None where nobody says."""
    clock: float | None = None
    """The site's own clock when it was looked at, unix seconds; None where nobody says."""
    shows_processes: bool = True
    """Whether ranks are counted by looking at processes; else that none is seen says nothing."""


@dataclass(frozen=True, slots=True)
class Fence:
    """How a fence attempt ended. `proof` says what the platform confirmed, or what kept it from that."""

    grade: FenceGrade
    done: str
    proof: str


@dataclass(frozen=True, slots=True)
class RouterObservation:
    """What the router does now: per workload its address, each site's weight, and whether the site answers.

    `errors`: per workload, answers of 500 and above since the router started. `assignment`: the one that its weights
    were last turned for.
    """

    reachable: bool
    why: str = ""
    assignment: int = 0
    urls: Mapping[str, str] = field(default_factory=dict[str, str])
    weights: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, "Mapping[str, int]"])
    healthy: Mapping[str, Mapping[str, bool]] = field(default_factory=dict[str, "Mapping[str, bool]"])
    errors: Mapping[str, int] = field(default_factory=dict[str, int])


class Router(Protocol):
    """An environment's router. It lies outside all sites."""

    def observe(self, *, deadline_s: float) -> RouterObservation:
        """Never raises for a router that is away: it says `reachable=False` and why."""
        ...

    def set_weights(
        self,
        workload: str,
        weights: Mapping[str, int],
        *,
        assignment: int,
        deadline_s: float,
        instead_of: Mapping[str, int] | None = None,
    ) -> None:
        """Give each site its share of the requests; 0 is none, also for clients that it served before. ActuatorFailed.

        Refused where the router was turned for a later assignment already; and, with `instead_of`, where its weights are
        neither those nor `weights` any more: somebody else turned it meanwhile, and may be further.
        """
        ...


class Site(Protocol):
    """One site's actuators and facts.

    `order` says when, in the order of assignments and operations, somebody was told to act: `3-2` by the second operation
    planned on assignment 3, `4-0` by assignment 4 itself. None: by nobody who could be overtaken.
    """

    @property
    def name(self) -> str: ...

    def observe(self, *, deadline_s: float) -> SiteObservation:
        """Never raises for a site that is away: it says `reachable=False` and why."""
        ...

    def fence(self, *, deadline_s: float, only: Collection[str] | None = None, order: str | None = None) -> Fence:
        """Stop everything that writes there; with `only`, no more than the processes of these workloads.

        Never raises: what could not be confirmed is graded `assumed`. With `order`, no start of an earlier one is made
        there any more: whoever set out to start it before, and comes late, is refused.
        """
        ...

    def set_capacity(self, slots: int, *, deadline_s: float, order: str | None = None) -> None:
        """Bring the worker slots that run to `slots`, within the site's bound, and have its replicator run.

        A fence that an earlier promotion put on the site is lifted. ActuatorFailed; FencedSince as `start_job`.
        """
        ...

    def checkpoints(self, workload: str) -> Path:
        """The folder in which the workload's trainer looks for checkpoints at this site."""
        ...

    def start_job(
        self, workload: str, *, token: str, resume_step: int | None, deadline_s: float, order: str | None = None
    ) -> None:
        """Start the workload's processes unless the start of this `token` was already made. ActuatorFailed.

        The run must resume from exactly `resume_step`, or from nothing if that is None. FencedSince, and nothing is
        touched, where a fence of a later `order` came before: decided by the site, in one act with the start.
        """
        ...

    def serve(self, workload: str, *, deadline_s: float) -> None:
        """Have the replicas of a workload that serves run, ready or not yet. ActuatorFailed."""
        ...

    def stop_job(self, workload: str, *, deadline_s: float, order: str | None = None) -> None:
        """Stop the workload's processes and confirm it. ActuatorFailed. `order`: as of `fence`."""
        ...
