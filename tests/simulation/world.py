"""What the actors share: stores in memory, the witness's assignments, and what was promised to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from replicator.log.counters import Run
from replicator.log.entries import Open, SealRef
from replicator.log.slots import SlotLog
from replicator.log.workload import WorkloadLog
from replicator.model import CommitId
from tests.simulation.sparse import SparseLog
from tests.simulation.store import FAULTS, SimStore, Still

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.records import Record
    from replicator.log.replay import LogView
    from tests.simulation.schedule import Actor

WORKLOAD = "gpt"
WITNESS = "W"
FIRST_WRITER = "east"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A record on the witness: who writes, which repositories acknowledge, and on which seals that rests."""

    number: int
    writer: str
    acknowledge: tuple[str, ...]
    seals: tuple[SealRef, ...] = ()
    heads: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    """Repositories that could not be sealed: consent to an unknown loss there."""
    counters: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)

    @property
    def term(self) -> int:
        return self.number

    def body(self) -> dict[str, Any]:
        return {
            "writer": self.writer, "acknowledge": list(self.acknowledge), "heads": dict(self.heads),
            "seals": [seal.model_dump() for seal in self.seals], "unknown": list(self.unknown),
            "counters": {term: [run.model_dump() for run in runs] for term, runs in self.counters.items()},
        }  # fmt: skip

    def opening(self) -> Open:
        return Open(
            term=self.term, writer=self.writer, acknowledge=self.acknowledge, heads=dict(self.heads),
            counters=dict(self.counters), assignment=self.body(),
        )  # fmt: skip


def assignment_of(record: Record) -> Assignment:
    body = record.body
    return Assignment(
        record.n, body["writer"], tuple(body["acknowledge"]), tuple(SealRef(**seal) for seal in body["seals"]),
        body["heads"], tuple(body["unknown"]),
        {term: tuple(Run(**run) for run in runs) for term, runs in body["counters"].items()},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ack:
    """A synchronous save that returned: these repositories hold the commit."""

    commit: CommitId
    root: str
    repositories: tuple[str, ...]


class World:
    def __init__(self, repositories: tuple[str, ...], acknowledge: tuple[str, ...], *, bug: str = "") -> None:
        self.bug = bug
        self.faults = FAULTS
        self.repositories = repositories
        self.objects: dict[str, dict[str, bytes]] = {name: {} for name in (WITNESS, *repositories)}
        self.cut: set[tuple[str, str]] = set()
        """(actor, store) pairs that do not see each other."""
        self.away_until: dict[str, int] = {}
        """Stores that nobody reaches until the witness has so many assignments."""
        self.acks: list[Ack] = []
        self.known: dict[str, list[Assignment]] = {}
        """Per actor, the assignments that it believes stand."""
        self.busy: set[str] = set()
        """Pushes under way."""
        self.broken_restores: list[str] = []
        self._assignments: list[Assignment] = []
        self._views: dict[str, tuple[int, LogView]] = {}
        first = self.found(acknowledge)
        for name in repositories:
            self.log(None, name).open(first.opening())

    def found(self, acknowledge: tuple[str, ...]) -> Assignment:
        """Make assignment 1."""
        first = Assignment(1, FIRST_WRITER, acknowledge)
        self.witness(None).append(lambda _: ("assignment", first.body()))
        return first

    def promote(self, actor: Actor | None, target: str, acknowledge: tuple[str, ...] | None, tries: int) -> None:
        """Make `target` the writer, with new facts after each slot lost."""
        raise NotImplementedError

    def store(self, actor: Actor | None, name: str) -> SimStore | Still:
        """An actor's handle; None is somebody whom nobody interrupts, before or after the run."""
        if actor is None:
            return Still(name, self.objects[name])
        return SimStore(name, self.objects[name], actor, lambda: self.reaches(actor.name, name), self.faults)

    def reaches(self, actor: str, name: str) -> bool:
        if (actor, name) in self.cut:
            return False
        return self.away_until.get(name, 0) <= len(self.objects[WITNESS])

    def log(self, actor: Actor | None, name: str, *, stride: int = 1) -> WorkloadLog:
        kind = SparseLog if self.bug == "sparse slots" else WorkloadLog
        store = self.store(actor, name)
        log = kind(store, WORKLOAD, clock=lambda: 0.0, token=_token(actor), sleep=lambda _: None)
        if isinstance(log, SparseLog):
            log.stride = stride
        return log

    def witness(self, actor: Actor | None) -> SlotLog:
        store = self.store(actor, WITNESS)
        return SlotLog(store, "assignments", clock=lambda: 0.0, token=_token(actor), sleep=lambda _: None)

    def read_assignments(self, actor: Actor | None) -> list[Assignment]:
        return [assignment_of(record) for record in self.witness(actor).read()]

    def current(self, actor: Actor | None) -> Assignment:
        """The newest assignment as this actor sees it now."""
        every = self.read_assignments(actor)
        known = self.known.setdefault(actor.name if actor else "nobody", [])
        known += [each for each in every if each not in known]
        return every[-1]

    def assignments(self) -> list[Assignment]:
        if len(self._assignments) != len(self.objects[WITNESS]):
            self._assignments = self.read_assignments(None)
        return self._assignments

    def view(self, name: str) -> LogView:
        """What the repository's log says, whoever can see it."""
        size = sum(1 for key in self.objects[name] if key.startswith("log/"))
        if self._views.get(name, (0, None))[0] != size:
            self._views[name] = (size, self.log(None, name).view())
        return self._views[name][1]


def bring_up_to(log: WorkloadLog, assignment: Assignment) -> None:
    """`seal` and `open` before anything else starts there (DESIGN, rule 3). Sealed if a later term is known."""
    if log.view().term >= assignment.term:
        return
    log.seal(assignment.term - 1, reason="brought up")
    log.open(assignment.opening())


def _token(actor: Actor | None) -> Callable[[], str]:
    return actor.token if actor else lambda: "nobody"
