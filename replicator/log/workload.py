"""One workload's log in one repository: reading it, and the decisions that may be appended to it.

Every append decides on all entries below its slot. A writer that meets a seal stops (Sealed); a log that goes back
behind what was already seen of it is refused (TermRegressed).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.errors import BaseGone, HeightTaken, NothingToRestore, NotOpen, ReplicatorError, Sealed, TermRegressed
from replicator.log.authority import Authority
from replicator.log.entries import Commit, Entry, Open, Pin, Seal, Unpin, Upgrade, from_record, to_record
from replicator.log.naming import names
from replicator.log.notary import UNSIGNED
from replicator.log.replay import Accepted, Fold, LogView
from replicator.log.slots import SlotLog
from replicator.model import CommitId, Id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.notary import Notary
    from replicator.log.records import Record
    from replicator.model import What, Where
    from replicator.stores.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of the log: its number and the digest of its record."""

    n: int
    digest: str


class WorkloadLog:
    """The log `log/<workload>` of a repository's store. Not for use by two threads at once.

    `on_seen` is told workload, term and slots whenever more was seen than before.
    """

    def __init__(
        self,
        store: ObjectStore,
        workload: str,
        *,
        clock: Callable[[], float],
        token: Callable[[], str],
        sleep: Callable[[float], None] = time.sleep,
        notary: Notary = UNSIGNED,
        on_seen: Callable[[str, int, int], None] | None = None,
        at_once: int = 1,
    ) -> None:
        self.workload = workload
        self._authority = Authority(notary)
        self._slots = SlotLog(
            store, f"log/{workload}", clock=clock, token=token, sleep=sleep, notary=notary, among=self._authority.among,
            at_once=at_once,
        )  # fmt: skip
        self._entries: list[Entry] = []
        self._fold = Fold()
        self._on_seen = on_seen
        self._seen_term = 0
        self._seen_slots = 0

    def require_writer(self) -> None:
        """TooNew if whoever writes here has to know more than this version does."""
        self.view().needs.require_writer(f"log of {self.workload}")

    def upgrade(self, reader: int, writer: int, *, release: str, reason: str) -> bool:
        """Have programs below these levels refuse the log from now on. False if they do already. NotOpen, Sealed."""

        def decide(view: LogView) -> Entry | None:
            if view.needs.reader >= reader and view.needs.writer >= writer:
                return None
            _require_open(view, view.term)
            return Upgrade(term=view.term, reader=reader, writer=writer, release=release, reason=reason)

        return self._append(decide) is not None

    def entries(self) -> tuple[Entry, ...]:
        self._parse(self._slots.read())
        return tuple(self._entries)

    def view(self) -> LogView:
        """What the log says now. TermRegressed if it says less than it did."""
        self._parse(self._slots.read())
        return self._watch(self._fold.view())

    def remember(self, *, term: int, slots: int = 0) -> None:
        """Refuse from now on a log that is shorter than `slots` or has neither open nor sealed `term`."""
        self._seen_term = max(self._seen_term, term)
        self._seen_slots = max(self._seen_slots, slots)

    def written_at(self, n: int) -> float:
        """What the n-th slot says of when it was written (unix seconds of its writer): nothing that stands depends on it."""
        return self._slots.record(n).at

    def slot(self, n: int) -> Slot:
        """The n-th slot. IndexError if there is none."""
        return Slot(n, self._slots.record(n).digest)

    def open(self, entry: Open) -> bool:
        """Open a term. False if it is open already; Sealed if it is past, or another opening of it won."""
        return self._append(lambda view: _decide_open(view, entry)) is not None

    def seal(self, term: int, *, reason: str, operation: str | None = None) -> Slot:
        """Void everything of terms up to `term` above the slot returned: ours, or an earlier seal that does as much."""
        entry = Seal(term=term, reason=reason, operation=operation)
        self._append(lambda view: None if view.sealed >= term and view.seals else entry)
        slot = next(slot for slot, sealed in self.view().seals if sealed >= term)
        return self.slot(slot)

    def commit(self, what: What, where: Callable[[LogView], Where], *, term: int) -> Accepted:
        """Make a checkpoint exist. Committing the same *what* twice is once, whatever became of it since.

        `where` is asked again for every slot tried, so that a base dropped meanwhile is noticed.
        Sealed, NotOpen; HeightTaken where (term, height) holds another checkpoint: two writers share the term.
        """
        there: list[Accepted] = []

        def decide(view: LogView) -> Entry | None:
            same = _committed(view, what)
            if same is None:
                entry = _decide_commit(view, what, where, term)
                return entry.model_copy(update={"signatures": self._authority.vouch(what)})
            there.append(same)
            return None

        record = self._append(decide)
        if record is None:
            return there[-1]
        entry = from_record(record, self._slots.name)
        assert isinstance(entry, Commit)  # noqa: S101 - it is what decide made
        return Accepted(record.n, entry.what, entry.where, entry.signatures)

    def pin(self, name: str, commit: CommitId, *, reason: str, term: int) -> None:
        """Keep `commit` from being dropped. NothingToRestore if it does not stand (any more)."""
        entry = Pin(term=term, name=name, commit=Id(term=commit.term, height=commit.height), reason=reason)

        def decide(view: LogView) -> Entry | None:
            _require_open(view, term)
            if commit not in view.accepted:
                raise NothingToRestore(f"{self.workload} {commit} does not stand in this repository")
            held = view.pins.get(name, commit)
            if held != commit:
                raise ReplicatorError(f"{self.workload}: pin {name} holds {held}", hint="Give the pin another name.")
            return None if name in view.pins else entry

        self._append(decide)

    def unpin(self, name: str, *, term: int, reason: str | None = None) -> None:
        """Let go of a pin; nothing if there is none of that name."""
        entry = Unpin(term=term, name=name, reason=reason)

        def decide(view: LogView) -> Entry | None:
            _require_open(view, term)
            return entry if name in view.pins else None

        self._append(decide)

    def require_open(self, term: int) -> None:
        """Sealed if `term` is over, NotOpen if it has not begun here."""
        _require_open(self.view(), term)

    def append(self, decide: Callable[[LogView], Entry | None]) -> Record | None:
        """Append whatever `decide` makes of the view, deciding anew for each slot lost."""
        return self._append(decide)

    def _append(self, decide: Callable[[LogView], Entry | None]) -> Record | None:
        def on_records(records: tuple[Record, ...]) -> tuple[str, Mapping[str, Any]] | None:
            self._parse(records)
            view = self._watch(self._fold.view())
            view.needs.require_writer(f"log of {self.workload}")
            entry = decide(view)
            if entry is None:
                return None
            self._require_effect(entry)
            return to_record(entry)

        return self._slots.append(on_records)

    def _require_effect(self, entry: Entry) -> None:
        """Nothing is written that every reader would hold void, or could not read."""
        if isinstance(entry, Commit) and entry.what.workload != self.workload:
            raise ReplicatorError(f"a checkpoint of {entry.what.workload} is none of {self.workload}")
        if (why := self._fold.refusal(entry)) is not None:
            raise ReplicatorError(f"log of {self.workload}: the {entry.kind} would be void: {why}")

    def _parse(self, records: tuple[Record, ...]) -> None:
        """Take what is new in these records, which begin with those that were taken before."""
        for record in records[len(self._entries) :]:
            entry = from_record(record, self._slots.name)
            self._authority.require(record, entry, self._slots.name)
            if isinstance(entry, Upgrade) and self._fold.refusal(entry) is None:
                needs = self._fold.view().needs.raised(entry.reader, entry.writer, entry.release)
                needs.require_reader(f"log of {self.workload} from entry {record.n} on")
            self._entries.append(entry)
            self._fold.take(entry)

    def _watch(self, view: LogView) -> LogView:
        if view.slots < self._seen_slots or max(view.term, view.sealed) < self._seen_term:
            raise TermRegressed(
                f"log of {self.workload}: {view.slots} slots, term {view.term}; "
                f"{self._seen_slots} slots and term {self._seen_term} were seen before"
            )
        grown = view.slots > self._seen_slots
        self.remember(term=max(view.term, view.sealed), slots=view.slots)
        if grown and self._on_seen is not None:
            self._on_seen(self.workload, self._seen_term, self._seen_slots)
        return view


def _decide_open(view: LogView, entry: Open) -> Open | None:
    if view.term == entry.term:
        if to_record(view.opened[entry.term]) != to_record(entry):
            raise Sealed(f"term {entry.term} was opened by {view.opened[entry.term].writer} otherwise")
        return None
    if view.sealed >= entry.term:
        raise Sealed(f"term {entry.term} cannot be opened: it is sealed (up to {view.sealed})")
    if view.term > entry.term:
        raise Sealed(f"term {entry.term} cannot be opened: term {view.term} is open")
    return entry


def _committed(view: LogView, what: What) -> Accepted | None:
    """The very checkpoint, where it was committed before."""
    gone = view.dropped.get(what.id())
    there = view.accepted.get(what.id()) or (gone[0] if gone else None)
    same = there is not None and there.what.root == what.root and there.what.attempt == what.attempt
    return there if same else None


def _decide_commit(view: LogView, what: What, where: Callable[[LogView], Where], term: int) -> Commit:
    _require_open(view, term)
    gone = view.dropped.get(what.id())
    there = view.accepted.get(what.id()) or (gone[0] if gone else None)
    if there is not None:
        other = f"step {there.what.step} of attempt {there.what.attempt}"
        raise HeightTaken(f"{what.id()} holds {other}: another writer has this term")
    place = where(view)
    if place.base is not None and place.base.key() not in view.accepted:
        raise BaseGone(f"{what.id()} leans on {place.base.key()}, which does not stand any more")
    if gone := view.let_go & names(place):
        raise BaseGone(f"{what.id()} leans on what a compaction replaced: {min(gone)}")
    return Commit(term=term, what=what, where=place)


def _require_open(view: LogView, term: int) -> None:
    if view.sealed >= term or view.term > term:
        raise Sealed(f"term {term} is over: sealed up to {view.sealed}, open is {view.term or 'none'}")
    if view.term < term:
        raise NotOpen(f"term {term} is not open here (open: {view.term or 'none'})")
