"""Who writes: the record on the witness that a promotion changes (DESIGN, section 1 and rules 4, 5).

A workload's term is the number of the last assignment that opened it anew: the fencing token of its log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from replicator.log.counters import Runs
from replicator.log.entries import Open, SealRef
from replicator.log.lineage import Lineage, trace
from replicator.model import Id

if TYPE_CHECKING:
    from collections.abc import Sequence


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Consent(Frozen):
    """Something that an operator allowed, in their words."""

    kind: Literal["data-loss", "skip-fence", "unknown-loss", "override", "break-glass", "without-witness"]
    value: str
    reason: str
    by: str


class WithoutWitness(Frozen):
    """That a term was made while the witness was away, and by what (DESIGN, rule 12)."""

    operation: str
    reason: str
    by: str

    def consent(self, target: str) -> Consent:
        return Consent(kind="without-witness", value=target, reason=self.reason, by=self.by)


class WorkloadAssignment(Frozen):
    """One workload's part of an assignment."""

    writer: str
    """The one site that may write; by name."""
    term: int = Field(ge=1)
    serves: dict[str, int] = Field(default_factory=dict)
    """Serving sites and their weights; empty for work that does not serve."""
    acknowledge: tuple[str, ...] = ()
    """Sites whose repositories must hold a commit before a synchronous save returns."""
    seals: tuple[SealRef, ...] = ()
    """Per sealed repository (by site name), slot and digest of its seal in the term before."""
    head: Id | None = None
    """The recovery point that the new term starts from; None where there is none."""
    heads: dict[str, int] = Field(default_factory=dict)
    """Per earlier term, the highest height that stands: the union of what the sealed logs accept."""
    counters: dict[str, Runs] = Field(default_factory=dict, exclude_if=lambda counters: not counters)
    """Per earlier term, who counted its heights: of two checkpoints given one name, which one stands."""
    keys: tuple[str, ...] = ()
    """Names of the keys that may sign in this term; empty under suite `none`."""
    without_witness: WithoutWitness | None = Field(default=None, exclude_if=lambda told: told is None)
    """Where the witness made the term only afterwards: each `open` of it copies this too."""


class Assignment(Frozen):
    number: int = Field(ge=1)
    workloads: dict[str, WorkloadAssignment]
    cause: Literal["create", "extend", "promote", "traffic", "keys", "repair"]
    """`repair`: put back from the copies in the repositories, and the number burnt after them."""
    operation: str | None = None
    consents: tuple[Consent, ...] = ()

    def writer(self, workload: str) -> str:
        return self.workloads[workload].writer

    def roles(self, site: str) -> dict[str, Literal["writer", "standby"]]:
        """What `site` is for each workload."""
        return {name: "writer" if each.writer == site else "standby" for name, each in sorted(self.workloads.items())}

    def opening(self, workload: str) -> Open:
        """The `open` entry that brings this assignment into a repository's log of `workload`."""
        part = self.workloads[workload]
        return Open(
            term=part.term,
            writer=part.writer,
            acknowledge=part.acknowledge,
            heads=part.heads,
            counters=part.counters,
            assignment=self.opened_by(workload),
        )

    def opened_by(self, workload: str) -> dict[str, object]:
        """What every repository copies of this assignment: the same bytes, whoever writes them and when."""
        return {"term": self.workloads[workload].term, "workload": self.workloads[workload].model_dump(mode="json")}


def lineage_of(assignments: Sequence[Assignment], workload: str) -> Lineage:
    """What the run of the newest term has behind it. `assignments`: all of them, from number 1."""
    parts = [each.workloads[workload] for each in assignments if workload in each.workloads]
    heads = {part.term: part.head.key() if part.head else None for part in parts}
    return trace(heads, max(heads, default=0))
