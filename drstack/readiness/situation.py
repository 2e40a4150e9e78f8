"""All that a judgement is made of: what recovery gathers, and what only readiness asks.

Values alone: nothing here asks anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.custody.readiness import Readiness as Custody
    from drstack.drills.schedule import Overdue
    from drstack.readiness.approvals import Approvals
    from drstack.readiness.drills import Drill
    from drstack.readiness.leasing import Leases
    from drstack.readiness.ports import Look
    from drstack.recovery.acting import OwnStep
    from drstack.recovery.evidence import Evidence
    from drstack.recovery.facts import Facts
    from drstack.recovery.fenced import Deliberate
    from drstack.recovery.plan import Need
    from drstack.recovery.ports import RouterObservation
    from replicator.versions.fit import Work

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing, or only a part, could be looked at: an error's kind, words and next command."""

    id: str
    what: str
    remedy: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a site published: its number, when (unix seconds), and the workloads that it knows."""

    number: int
    at: float
    workloads: frozenset[str]
    environment_id: str | None = None
    keys: str | None = None
    """Where the site has its keys; None where nothing is encrypted."""


@dataclass(frozen=True, slots=True)
class KeysAtHand:
    """What a promotion to one standby would sign and read with."""

    signs: bool
    why_not: str | None = None
    locked: bool = False
    """It is there, under a passphrase that nobody said."""
    recipients: tuple[str, ...] = ()
    opened: bool | None = None
    """Whether a manifest that is stored there was opened with them; None where there is none to try."""
    why_closed: str | None = None
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Backend:
    """Whether Pulumi's state answered; None where this cannot be asked from here."""

    url: str
    answers: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that steps took in past operations (drstack.recovery.estimate), and of how many operations."""

    durations: Mapping[str, Sequence[float]] = field(default_factory=dict[str, "Sequence[float]"])
    operations: int = 0
    capacity: Mapping[str, tuple[int, float]] = field(default_factory=dict[str, "tuple[int, float]"])
    """Per site the most worker slots that a past operation had running there, and when (unix seconds)."""


@dataclass(frozen=True, slots=True)
class Situation:
    """`at`: unix seconds. `facts` None: nothing could be looked at, and `troubles` says why."""

    environment: str
    at: float
    witness: str
    facts: Facts | None = None
    needs: Mapping[str, Need] = field(default_factory=dict[str, "Need"])
    own: Sequence[OwnStep] = ()
    """Steps that the environment file declares."""
    standby_slots: Mapping[str, int] = field(default_factory=dict[str, int])
    """Worker slots that each site runs while it stands by."""
    descriptors: Mapping[str, Descriptor | None] = field(default_factory=dict[str, "Descriptor | None"])
    environment_id: str | None = None
    looks: Mapping[str, Look] = field(default_factory=dict[str, "Look"])
    keys: Mapping[str, KeysAtHand] = field(default_factory=dict[str, "KeysAtHand"])
    """By standby; empty where nothing is encrypted."""
    custody: Custody | None = None
    works: Mapping[str, Work] = field(default_factory=dict[str, "Work"])
    """By workload, what its recovery point needs of a machine."""
    backend: Backend | None = None
    operation: Doc | None = None
    """One that has not ended, as `drstack.recovery.control.describe` says."""
    timings: Timings = field(default_factory=Timings)
    drills: Mapping[str, Drill] = field(default_factory=dict[str, "Drill"])
    """By site, the last one there."""
    overdue: Overdue | None = None
    """Why the schedule of drills is not kept; None where it is, or there is none."""
    router: RouterObservation | None = None
    serving: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, "Mapping[str, int]"])
    """By workload that serves, each site's share as assigned."""
    leases: Leases | None = None
    """None where leases are off."""
    approvals: Approvals | None = None
    """None where nobody has to approve anything."""
    unsigned: Sequence[Doc] = ()
    """Operations that went on without approvals, and nobody signed off (`drstack.recovery.glass.broken`); `may`: who could."""
    fences: Sequence[Deliberate] = ()
    """Sites that a person stopped on purpose, as it still stands."""
    troubles: tuple[Trouble, ...] = ()
