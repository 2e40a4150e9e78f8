"""Everything outside that an operation works on, as ports: witness, sites, repositories, clock, progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from drstack.recovery.beside import in_turn, side_by_side
from drstack.recovery.tracing import NoSpans

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from drstack.recovery.acting import Actions, OwnStep
    from drstack.recovery.leases import LeasePolicy
    from drstack.recovery.plan import Need
    from drstack.recovery.ports import Router, Site
    from drstack.recovery.quorum import Quorum
    from drstack.recovery.tracing import Spans
    from drstack.witness.assignment import Assignment
    from drstack.witness.witness import Witness
    from replicator.crypto.keyring import Keyring
    from replicator.repository.repository import Repository


T = TypeVar("T")


class Progress(Protocol):
    """Told about every step as it begins and ends, from any thread; `detail` is one line for people."""

    def begin(self, step: str) -> None: ...

    def end(self, step: str, seconds: float, detail: str) -> None: ...


class Beside(Protocol):
    """Makes calls and returns what each returned, in their order."""

    def __call__(self, calls: Sequence[Callable[[], T]]) -> list[T]: ...


class Reconcile(Protocol):
    """Brings the infrastructure's description up to what was done; returns one line, never raises for trouble."""

    def __call__(self, site: str) -> str: ...


def _no_keys(site: str) -> tuple[str, ...]:
    del site
    return ()


def _uncorrected(seconds: float) -> None:
    del seconds


def forgotten(assignment: Assignment) -> None:
    """Keeps nothing."""
    del assignment


def _no_size(site: str) -> int | None:
    del site


@dataclass(frozen=True, slots=True)
class World:
    environment: str
    witness: Witness
    sites: Mapping[str, Site]
    repositories: Mapping[str, Repository]
    needs: Mapping[str, Need]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    progress: Progress
    reconcile: Reconcile | None = None
    router: Router | None = None
    """Where the requests of workloads that serve arrive; None where nothing is served, or nobody said where it is."""
    serving: Collection[str] = ()
    """Workloads that serve, as the environment file declares them."""
    keys: Keyring | None = None
    """The operator's; None where nothing is encrypted or signed."""
    keys_for: Callable[[str], tuple[str, ...]] = _no_keys
    """Names of the keys whose signatures count in a term that this site writes; none where nothing is signed."""
    leases: LeasePolicy | None = None
    """None where leases are off."""
    spans: Spans = field(default_factory=NoSpans)
    """Where the spans of operations go."""
    by: str = ""
    """Who carries steps out here, for the journal."""
    own: Sequence[OwnStep] = ()
    """Steps that the environment file declares."""
    actions: Actions | None = None
    """What carries them out; None where no command of users' may run."""
    standby: Callable[[str], int | None] = _no_size
    """Worker slots of a site while it stands by; None where it is not counted in slots."""
    correct: Callable[[float], None] = _uncorrected
    """Has `clock` run later by so many seconds, where it was found to be wrong."""
    remember: Callable[[Assignment], None] = forgotten
    """Keeps the newest assignment that was seen, for when the witness is away."""
    one_by_one: bool = False
    """Whether steps, looks and calls to stores are made one after another in the caller's thread, as the simulation does."""
    quorums: Mapping[str, Quorum] = field(default_factory=dict[str, "Quorum"])
    """By kind of operation, whose approvals it takes; none for a kind that is left out."""

    @property
    def beside(self) -> Beside:
        """How calls are made that wait for stores."""
        return in_turn if self.one_by_one else side_by_side
