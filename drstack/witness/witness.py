"""The small store outside all sites: assignments, operations and site descriptors, as dense create-only logs.

It never goes backwards. An empty witness makes assignment 1 only where nothing that can be reached knows the
environment already (DESIGN, rule 11).
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from drstack.errors import WitnessUnreachable, WitnessUnsound
from drstack.witness.assignment import Assignment
from drstack.witness.drills import DrillLog
from drstack.witness.glass import Glass
from drstack.witness.guard import PUT_BACK, guarded
from drstack.witness.joining import Joined
from drstack.witness.journal import Journal
from drstack.witness.leases import LeaseLog
from drstack.witness.requests import Request
from replicator.errors import KeyMissing, RecordCorrupt, StoreError
from replicator.log.claim import claim
from replicator.log.records import digest, open_envelope, seal_envelope
from replicator.log.slots import SlotLog, slot_key
from replicator.log.tail import TailLog
from replicator.repository.anchors import Anchored, Anchors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.records import Record
    from replicator.repository.repository import Repository
    from replicator.stores.store import ObjectStore

FORMAT = 1
"""Of a witness, in its `format.json`."""


@dataclass(frozen=True, slots=True)
class Described:
    """A site's descriptor: the `number`-th that it published, at `at` (unix seconds)."""

    body: Mapping[str, Any]
    number: int
    at: float


class Witness:
    """The part of a witness store that belongs to one environment. For any thread."""

    def __init__(
        self,
        store: ObjectStore,
        environment: str,
        *,
        clock: Callable[[], float],
        token: Callable[[], str],
        at_once: int = 16,
    ) -> None:
        self.environment = environment
        self._at_once = at_once
        self._store = store
        self._clock = clock
        self._token = token
        self._assignments = self._log("assignments")
        self._admitted = False
        self._lock = Lock()
        self._look = Joined(self._read)

    @property
    def url(self) -> str:
        return self._store.url

    def now(self) -> float:
        """Unix seconds, by the clock that stamps records."""
        return self._clock()

    def environment_id(self) -> str | None:
        """The random id that this environment got when it was first declared; None on an empty witness."""
        try:
            stored = self._store.get(f"{self.environment}/format.json")
        except KeyMissing:
            return None
        except StoreError as error:
            raise WitnessUnreachable(f"witness {self.url}: {error}") from error
        return self._id_in(stored)

    def _id_in(self, stored: bytes) -> str:
        where = f"{self.environment}/format.json"
        try:
            told = open_envelope(stored, where)
        except RecordCorrupt as error:
            raise WitnessUnsound(str(error), hint=PUT_BACK) from error
        if told.get("format") != FORMAT:
            raise WitnessUnsound(
                f"witness {self.url} is of format {told.get('format')}; this version knows {FORMAT}, and wrote nothing there",
                hint=f"Use drstack {told.get('release') or 'of a newer version'} for this environment, everywhere.",
            )
        try:
            return str(told["environment_id"])
        except KeyError as error:
            raise WitnessUnsound(f"witness {self.url}: {where} names no environment", hint=PUT_BACK) from error

    def found(self, identity: str | None = None) -> str:
        """The environment's id, made now if the witness is empty: this one, or a new one."""
        known = self.environment_id()
        if known is not None:
            return known
        made = identity or self._token()
        body = {"format": FORMAT, "environment": self.environment, "environment_id": made, "suite": "none"}
        outcome = claim(self._store, f"{self.environment}/format.json", seal_envelope(body))
        return self._id_in(outcome.found)

    def _read(self) -> tuple[Record, ...]:
        with self._lock:
            return self._assignments.read()

    def assignments(self) -> tuple[Assignment, ...]:
        """Every assignment, in order. WitnessUnreachable; WitnessUnsound if one cannot be read, or is of a newer format."""
        self._require_known()
        with guarded(self.url):
            records = self._look()
        return tuple(_assignment(record.n, record.body) for record in records)

    def up_to(self, number: int) -> tuple[Assignment, ...]:
        """Assignments 1 to `number`, which stand for good: read at most once. As `assignments`."""
        with self._lock:
            records = self._assignments.known
        if len(records) < number:
            return self.assignments()[:number]
        return tuple(_assignment(record.n, record.body) for record in records[:number])

    def _require_known(self) -> None:
        """WitnessUnsound, before anything is read or written, where the witness is of a newer format."""
        if not self._admitted:
            self.environment_id()
            self._admitted = True

    def current(self) -> Assignment | None:
        """The newest assignment."""
        every = self.assignments()
        return every[-1] if every else None

    def assign(self, assignment: Assignment) -> Assignment:
        """Take slot `assignment.number`. Returns what stands there: ours, or whoever won it."""
        self._require_known()
        body = assignment.model_dump(mode="json")

        def decide(records: tuple[Any, ...]) -> tuple[str, Mapping[str, Any]] | None:
            return ("assignment", body) if len(records) == assignment.number - 1 else None

        with guarded(self.url), self._lock:
            self._assignments.append(decide)
        every = self.assignments()
        if len(every) < assignment.number:
            raise WitnessUnsound(
                f"witness {self.url} has {len(every)} assignments; number {assignment.number} would leave a gap"
            )
        return every[assignment.number - 1]

    def journal(self, assignment: int, k: int) -> Journal:
        """The journal of the k-th operation planned on an assignment."""
        return Journal(f"{assignment}-{k}", self._log(_journal(assignment, k)), url=self.url)

    def journals(self, assignment: int) -> list[Journal]:
        """Every operation planned on an assignment, in order, found by GET."""
        found: list[Journal] = []
        while (journal := self.journal(assignment, len(found) + 1)).records():
            found.append(journal)
        return found

    def copy_journal(self, other: Witness, operation: str) -> bool:
        """Put an operation's journal here, byte for byte. False where another's is here, or `other` has none."""
        base, k = (int(each) for each in operation.split("-"))
        name = f"{self.environment}/{_journal(base, k)}"
        n = 1
        with guarded(self.url):
            while (body := other.stored(slot_key(name, n))) is not None:
                if claim(self._store, slot_key(name, n), body).found != body:
                    return False
                n += 1
        return n > 1

    def stored(self, key: str) -> bytes | None:
        """An object's bytes; None where there is none. As the store raises."""
        try:
            return self._store.get(key)
        except KeyMissing:
            return None

    def drills(self) -> DrillLog:
        """Which drills were held, and how they ended."""
        return DrillLog(self._log("drills"), url=self.url)

    def request(self, assignment: int, k: int) -> Request:
        """The k-th request for approval of a plan that was made on an assignment."""
        return Request(f"{assignment}-{k}", self._log(f"approvals/{assignment:020d}-{k:020d}"), url=self.url)

    def requests(self, assignment: int) -> list[Request]:
        """Every request for approval of plans that were made on an assignment, in order, found by GET."""
        found: list[Request] = []
        while (request := self.request(assignment, len(found) + 1)).records():
            found.append(request)
        return found

    def glass(self) -> Glass:
        """Operations that went on without the approvals asked for."""
        return Glass(self._log("break-glass"), url=self.url)

    def token(self) -> str:
        """A random name."""
        return self._token()

    def publish(self, site: str, descriptor: Mapping[str, Any]) -> int:
        """Publish a site's descriptor if it differs from the last one. Returns its number."""
        self._require_known()
        log = self._log(f"descriptors/{site}")

        def decide(records: tuple[Any, ...]) -> tuple[str, Mapping[str, Any]] | None:
            return None if records and records[-1].body == descriptor else ("descriptor", descriptor)

        with guarded(self.url):
            log.append(decide)
            return len(log.read())

    def descriptor(self, site: str) -> dict[str, Any] | None:
        """The last descriptor that a site published."""
        described = self.described(site)
        return None if described is None else dict(described.body)

    def described(self, site: str) -> Described | None:
        """The last descriptor that a site published, and when. WitnessUnreachable, WitnessUnsound."""
        with guarded(self.url):
            records = self._log(f"descriptors/{site}").read()
        return Described(records[-1].body, records[-1].n, records[-1].at) if records else None

    def leases(self, workload: str) -> LeaseLog:
        """The leases of a workload's writer."""
        return LeaseLog(self._store, self.environment, workload, clock=self._clock, token=self._token)

    def anchored(self, repository: Repository, workload: str) -> Anchored | None:
        """How far a site's log was seen to reach by its replicator, or the writer's. WitnessUnreachable, WitnessUnsound."""
        here = repository.format().repository
        kept = Anchors(self._store, self.environment, clock=self._clock, token=self._token)
        try:
            return kept.last(repository, workload, here=here)
        except RecordCorrupt as error:
            raise WitnessUnsound(str(error), hint=PUT_BACK) from error
        except StoreError as error:
            raise WitnessUnreachable(f"witness {self.url}: {error}") from error

    def log(self, name: str) -> SlotLog:
        """A log below the environment, for those who keep records of their own there. Its errors are the store's."""
        return self._log(name)

    def tail(self, name: str) -> TailLog:
        """One of which only the end matters."""
        return TailLog(self._store, f"{self.environment}/{name}", clock=self._clock, token=self._token)

    def _log(self, name: str) -> SlotLog:
        prefix = f"{self.environment}/{name}"
        return SlotLog(self._store, prefix, clock=self._clock, token=self._token, at_once=self._at_once)


def _journal(assignment: int, k: int) -> str:
    return f"operations/{assignment:020d}-{k:020d}"


def _assignment(n: int, body: Mapping[str, Any]) -> Assignment:
    try:
        assignment = Assignment.model_validate(body)
    except ValidationError as error:
        raise WitnessUnsound(f"assignment {n}: {error.errors()[0]['msg']}") from error
    if assignment.number != n:
        raise WitnessUnsound(f"assignment {n} says that it is number {assignment.number}")
    return assignment


def descriptor_hash(descriptor: Mapping[str, Any]) -> str:
    """BLAKE3 of a descriptor's canonical JSON, as plans name it."""
    return digest(seal_envelope(dict(descriptor)))
