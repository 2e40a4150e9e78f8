"""What is known when a recovery is decided: the assignment, each repository's log, each site as it looks now.

Values only; `gathering.py` looks. A site or repository that cannot be seen is a fact too (DESIGN, rule 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.recovery.evidence import Evidence, seen, unknown
from drstack.recovery.timekeeping import IN_AGREEMENT, Timekeeping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.ports import SiteObservation
    from drstack.witness.assignment import Assignment
    from replicator.model import CommitId, Level, Versions
    from replicator.repository.anchors import Anchored
    from replicator.repository.receipts import Word


@dataclass(frozen=True, slots=True)
class CommitFact:
    """A commit that stands in some repository, and whether it is a recovery point there."""

    id: CommitId
    step: int
    saved_at: float
    size_bytes: int
    suspect: bool
    receipts: tuple[Level, ...]
    root: str
    name: str
    proof: Word | None = None
    """What counts of the provers' words; None where nobody has tried it."""
    left: bool = False
    """Of a branch that an earlier promotion did not go on from: taken only where there is no other."""
    released: bool | None = None
    """What people said of it in this repository: released (True), condemned, or nothing."""
    versions: Versions | None = None

    @property
    def proved(self) -> bool:
        return self.proof is not None and self.proof.ok

    @property
    def refuted(self) -> bool:
        """Whether it was tried and found to be another than was saved."""
        return self.proof is not None and not self.proof.ok


@dataclass(frozen=True, slots=True)
class Arrival:
    """A sound checkpoint of the open term: saved by its trainer, committed in this repository; unix seconds."""

    saved_at: float
    landed_at: float


@dataclass(frozen=True, slots=True)
class RepositoryFact:
    """One repository's log of one workload. `why` says why it could not be read, where it could not."""

    name: str
    url: str
    why: str | None
    slots: int = 0
    term: int = 0
    sealed: int = 0
    heads: Mapping[str, int] | None = None
    newest: tuple[CommitFact, ...] = ()
    """Commits that stand, newest first, down to the newest one with every demanded receipt that no proof speaks against;
    and, of those not much older, the newest one that is proved. Those of branches that were left (`CommitFact.left`) come
    after all others."""
    rolled_back: str | None = None
    """Why this log is older than what the witness knows of it."""
    anchored: Anchored | None = None
    """How far its replicator told the witness that it reached."""
    arrivals: tuple[Arrival, ...] = ()
    """The last ones that were committed here, in the order of their saves."""
    read_at: float | None = None
    """When it was read, or last tried (unix seconds)."""

    @property
    def reachable(self) -> bool:
        return self.why is None

    @property
    def evidence(self) -> Evidence:
        return seen(self.url, self.read_at) if self.reachable and self.read_at is not None else unknown(self.url)


@dataclass(frozen=True, slots=True)
class WorkloadFact:
    name: str
    writer: str
    term: int
    acknowledge: tuple[str, ...]
    repositories: Mapping[str, RepositoryFact]
    started: bool | None = None
    """Whether the operation that made the term started its run at the writer; None: it was to start none, or nothing is
    known of it."""
    fenced_at: float | None = None
    """When a fence of the writer was proven that stopped it, and that nobody is known to have undone (unix seconds)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`at`: unix seconds at which gathering ended, by the clock that is taken for right."""

    at: float
    assignment: Assignment
    sites: Mapping[str, SiteObservation]
    workloads: Mapping[str, WorkloadFact]
    time: Timekeeping = IN_AGREEMENT
    """How this machine's clock stands to others."""

    def site_evidence(self, name: str) -> Evidence:
        """Of what was observed of a site."""
        site = self.sites.get(name)
        return seen(f"site {name}", self.at) if site is not None and site.reachable else unknown(f"site {name}")
