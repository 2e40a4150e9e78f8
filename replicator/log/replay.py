"""What a repository log says: which commits stand, which are void and why. A pure function of the entries.

Seals void what comes after them, `open` admits a term and voids what it does not cover of earlier ones, a drop takes
effect where it stands, and a commit on a dropped base is void (DESIGN, rules 3, 6 and 14). In a log with a compaction,
so is every entry that takes up again what was let go of: bytes that no checkpoint which stands names may be gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from replicator.log.covering import uncovered
from replicator.log.entries import Commit, Compact, Drop, Entry, Open, Pin, Seal, Unpin, Upgrade
from replicator.log.level import FIRST, Needs
from replicator.log.naming import Naming

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.model import CommitId, Signature, What, Where


@dataclass(frozen=True, slots=True)
class Accepted:
    """A commit that stands. `slot` is where it was committed; `where` is its latest encoding."""

    slot: int
    what: What
    where: Where
    signatures: tuple[Signature, ...] = ()
    """Its writer's over *what*, to be copied with it."""
    compacted: bool = False
    """Whether `where` is a keeper's word, not its writer's."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """An encoding that a checkpoint had before a compaction, and when its bytes may go (unix seconds; None: never)."""

    commit: CommitId
    where: Where
    bytes_after: float | None


@dataclass(frozen=True, slots=True)
class Void:
    slot: int
    kind: str
    reason: str
    commit: CommitId | None = None


@dataclass(frozen=True, slots=True)
class LogView:
    """The state after the last entry. `slots` is how many there are."""

    slots: int
    term: int
    """The term that is open, 0 if none ever was."""
    sealed: int
    """The highest sealed term, 0 if none is."""
    opened: Mapping[int, Open]
    accepted: Mapping[CommitId, Accepted]
    dropped: Mapping[CommitId, tuple[Accepted, float]]
    """What was dropped, and when its bytes may go (unix seconds)."""
    pins: Mapping[str, CommitId]
    void: tuple[Void, ...]
    seals: tuple[tuple[int, int], ...]
    """(slot, term) of each seal."""
    replaced: tuple[Replaced, ...] = ()
    dropped_in: Mapping[CommitId, int] = field(default_factory=dict["CommitId", int])
    """The slot of the drop that took each."""
    let_go: frozenset[str] = frozenset()
    """Digests of packs and manifests that may be gone: no entry may name them again."""
    needs: Needs = FIRST
    """What reading and writing the log takes."""

    @property
    def writable(self) -> bool:
        """Whether the open term still takes commits."""
        return self.term > self.sealed

    def in_order(self) -> list[Accepted]:
        """Commits that stand, oldest first."""
        return [self.accepted[key] for key in sorted(self.accepted)]

    def heads(self) -> dict[str, int]:
        """Per term, the highest height that stands or stood before it was dropped, here or elsewhere.

        Of terms before the open one it is what the `open` says: this repository may not hold those commits, others do.
        """
        highest: dict[int, int] = {}
        if self.term:
            highest = {int(term): h for term, h in self.opened[self.term].heads.items() if int(term) < self.term}
        for key in [*self.accepted, *self.dropped]:
            highest[key.term] = max(highest.get(key.term, 0), key.height)
        return {str(term): height for term, height in sorted(highest.items())}

    def counted(self, term: int) -> dict[int, str]:
        """Each height of `term` that stands or stood here before it was dropped, and who counted it."""
        known = [*self.accepted.values(), *(gone for gone, _ in self.dropped.values())]
        return {each.what.height: each.what.counted_by for each in known if each.what.term == term}


@dataclass(slots=True)
class _State:
    term: int = 0
    sealed: int = 0
    opened: dict[int, Open] = field(default_factory=dict)
    accepted: dict[CommitId, Accepted] = field(default_factory=dict)
    dropped: dict[CommitId, tuple[Accepted, float]] = field(default_factory=dict)
    pins: dict[str, CommitId] = field(default_factory=dict)
    void: list[Void] = field(default_factory=list)
    seals: list[tuple[int, int]] = field(default_factory=list)
    needs: Needs = FIRST
    replaced: list[Replaced] = field(default_factory=list)
    dropped_in: dict[CommitId, int] = field(default_factory=dict)
    voided: list[Where] = field(default_factory=list)
    """Encodings of checkpoints that an `open` made void."""
    naming: Naming | None = None

    def judge_names(self) -> None:
        """From here on, what was let go of is not named again."""
        if self.naming is None:
            gone = [*self.voided, *(each.where for each, _ in self.dropped.values())]
            self.naming = Naming((each.where for each in self.accepted.values()), gone)


class Fold:
    """What entries say together, taken one by one: a view costs what is new since the last one."""

    def __init__(self) -> None:
        self.slots = 0
        self._state = _State()
        self._view: LogView | None = None

    def take(self, entry: Entry) -> None:
        """The entry of the next slot."""
        self.slots += 1
        self._view = None
        refusal = _refusal(self._state, entry)
        if refusal is None:
            _apply(self._state, self.slots, entry)
        else:
            commit = entry.what.id() if isinstance(entry, Commit) else None
            self._state.void.append(Void(self.slots, entry.kind, refusal, commit))

    def refusal(self, entry: Entry) -> str | None:
        """Why the entry would be void in the next slot; None if it would count. Takes nothing."""
        naming = self._state.naming
        try:
            return _refusal(self._state, entry)
        finally:
            self._state.naming = naming

    def view(self) -> LogView:
        """Stays as it is, whatever is taken afterwards."""
        if self._view is None:
            state = self._state
            self._view = LogView(
                slots=self.slots, term=state.term, sealed=state.sealed, opened=dict(state.opened),
                accepted=dict(state.accepted), dropped=dict(state.dropped), pins=dict(state.pins), void=tuple(state.void),
                seals=tuple(state.seals), replaced=tuple(state.replaced), dropped_in=dict(state.dropped_in),
                needs=state.needs, let_go=state.naming.let_go if state.naming else frozenset(),
            )  # fmt: skip
        return self._view


def replay(entries: Iterable[Entry]) -> LogView:
    """Fold the entries of slots 1, 2, … into what they say together."""
    fold = Fold()
    for entry in entries:
        fold.take(entry)
    return fold.view()


def _refusal(state: _State, entry: Entry) -> str | None:  # noqa: PLR0911 - one for each kind
    if isinstance(entry, Seal):
        return None
    if entry.term <= state.sealed:
        return f"term {entry.term} was sealed before it"
    if isinstance(entry, Open):
        return f"term {state.term} was open already" if entry.term <= state.term else None
    if entry.term != state.term:
        return f"term {entry.term} is not the open one ({state.term or 'none'})"
    match entry:
        case Commit():
            return _commit_refusal(state, entry)
        case Pin():
            return _pin_refusal(state, entry)
        case Drop():
            return _drop_refusal(state, entry)
        case Compact():
            state.judge_names()
            return _compact_refusal(state, entry)
        case Unpin() | Upgrade():
            return None


def _commit_refusal(state: _State, entry: Commit) -> str | None:
    key = entry.what.id()
    if entry.again is not None:
        state.judge_names()
        if key in state.accepted or key not in state.dropped or state.dropped_in[key] != entry.again:
            return f"{key} was not dropped in slot {entry.again}, or is back"
    elif key in state.accepted or key in state.dropped:
        return f"{key} is there already"
    if key.term > entry.term:
        return f"{key} is of a later term than its entry"
    left_out = uncovered(state.opened[entry.term], entry.what)
    if left_out is not None:
        return left_out
    base = entry.where.base
    if base is not None and base.key() not in state.accepted:
        return f"its base {base.key()} does not stand here"
    return _lost(state, entry.where)


def _lost(state: _State, where: Where) -> str | None:
    lost = state.naming.lost(where) if state.naming else None
    return f"{lost} was let go of before it" if lost else None


def _pin_refusal(state: _State, entry: Pin) -> str | None:
    if entry.commit.key() not in state.accepted:
        return f"{entry.commit.key()} does not stand here"
    held = state.pins.get(entry.name, entry.commit.key())
    return f"pin {entry.name} holds {held}" if held != entry.commit.key() else None


def _drop_refusal(state: _State, entry: Drop) -> str | None:
    pinned = {commit.key() for commit in entry.commits} & set(state.pins.values())
    return f"{min(pinned)} was pinned before it" if pinned else None


def _compact_refusal(state: _State, entry: Compact) -> str | None:
    if entry.commit.key() not in state.accepted:
        return f"{entry.commit.key()} does not stand here"
    if entry.commit.key() in state.pins.values():
        return f"{entry.commit.key()} was pinned before it"
    base = entry.where.base.key() if entry.where.base else None
    if base is not None and base not in state.accepted:
        return f"its base {base} does not stand here"
    while base is not None:
        if base == entry.commit.key():
            return f"{base} would lean on itself"
        next_base = state.accepted[base].where.base if base in state.accepted else None
        base = next_base.key() if next_base else None
    return _lost(state, entry.where)


def _apply(state: _State, slot: int, entry: Entry) -> None:
    match entry:
        case Seal():
            state.sealed = max(state.sealed, entry.term)
            state.seals.append((slot, entry.term))
        case Open():
            state.term = entry.term
            state.opened[entry.term] = entry
            _void_uncovered(state, entry)
        case Commit():
            _come_back(state, entry.what.id())
            _stand(state, Accepted(slot, entry.what, entry.where, entry.signatures))
        case Pin():
            state.pins[entry.name] = entry.commit.key()
        case Unpin():
            state.pins.pop(entry.name, None)
        case Drop():
            _drop(state, slot, entry)
        case Compact():
            _encode_anew(state, entry)
        case Upgrade():
            state.needs = state.needs.raised(entry.reader, entry.writer, entry.release)


def _drop(state: _State, slot: int, entry: Drop) -> None:
    for commit in entry.commits:
        if (gone := _fall(state, commit.key())) is not None:
            state.dropped[commit.key()] = (gone, entry.bytes_after)
            state.dropped_in[commit.key()] = slot


def _come_back(state: _State, key: CommitId) -> None:
    """What was dropped and stands again: the bytes that it had go as the drop said."""
    if key in state.dropped:
        gone, after = state.dropped.pop(key)
        del state.dropped_in[key]
        state.replaced.append(Replaced(key, gone.where, after))


def _encode_anew(state: _State, entry: Compact) -> None:
    old = state.accepted[entry.commit.key()]
    state.replaced.append(Replaced(entry.commit.key(), old.where, entry.bytes_after))
    _stand(state, replace(old, where=entry.where, compacted=True))
    if state.naming is not None:
        state.naming.leave(old.where)


def _stand(state: _State, accepted: Accepted) -> None:
    state.accepted[accepted.what.id()] = accepted
    if state.naming is not None:
        state.naming.take(accepted.where)


def _fall(state: _State, key: CommitId) -> Accepted | None:
    gone = state.accepted.pop(key, None)
    if gone is not None and state.naming is not None:
        state.naming.leave(gone.where)
    return gone


def _void_uncovered(state: _State, entry: Open) -> None:
    there = {**state.accepted, **{key: gone for key, (gone, _) in state.dropped.items()}}
    for key in sorted(there):
        reason = uncovered(entry, there[key].what)
        if reason is not None:
            _fall(state, key)
            state.dropped.pop(key, None)
            state.dropped_in.pop(key, None)
            state.voided.append(there[key].where)
            state.void.append(Void(there[key].slot, "commit", reason, key))
