"""From a watched folder to the spool: find complete checkpoints, number them, pin them, read them once, judge them.

Torn checkpoints are left alone and named in the status; suspect ones are pushed with their finding.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.admission import DEFAULT, Policy, TensorSummary, judge, judge_index
from replicator.errors import CheckpointTorn, SourceChanged
from replicator.layouts import Settle, find
from replicator.model import CommitId, Finding
from replicator.repository.names import shown
from replicator.repository.ship import Push
from replicator.repository.snapshot import Snapshot, take_snapshot
from replicator.versions.watched import WatchedVersions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from replicator.layouts import Candidate
    from replicator.model import What
    from replicator.repository.manifest import TensorEntry
    from replicator.service.spool import Entry, Spool

_HISTORY = 8
_AHEAD = 2
"""How many checkpoints that no destination has dealt with may lie in the spool while older ones are added."""

_LONG_AGO = 6
"""After how many quiet times, by the files' own times, two looks are enough: clocks may differ by less."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A whole checkpoint that the spool does not know yet. `settled`: it stood still for as long as it must."""

    candidate: Candidate
    signature: str
    saved_at: float
    settled: bool
    at_rest: bool
    """Settled, or last written so long ago that it can be numbered already."""
    held: bool
    """Looks like one that the repository holds: it needs no number unless its bytes turn out to be others."""

    @property
    def order(self) -> tuple[int, float, str]:
        return (-1 if self.candidate.step is None else self.candidate.step, self.saved_at, self.candidate.path.name)


@dataclass(slots=True)
class Intake:
    """One workload's watched folder.

    What is there is numbered in the order of steps and read newest first: it is `latest` from the start, and what is
    read after it stays older. Older ones are added one by one, as the spool empties.
    """

    workload: str
    folder: Path
    spool: Spool
    token: Callable[[], str]
    quiet_s: float = 10.0
    clock: Callable[[], float] = time.time
    torn: dict[str, str] = field(default_factory=dict[str, str])
    """Incomplete checkpoints seen at the last look: name and why."""
    passed_over: dict[str, str] = field(default_factory=dict[str, str])
    """Complete ones that are not pushed, and why."""
    policy: Policy = DEFAULT
    """Which reasons are looked for, and their bounds."""
    layout: str | None = None
    certainty: str | None = None
    """Of the newest checkpoint that was taken."""
    waiting: int = 0
    """Complete checkpoints that are not in the spool yet: they must stand still, or newer ones go first."""
    code: Path | None = None
    here: bool = False
    """A folder of the training program's repository; None: the watched folder lies in it, if anything does."""
    _began: What | None = None
    _versions: WatchedVersions | None = None
    _others: set[str] = field(default_factory=set[str])
    _seen: dict[Path, tuple[str, float]] = field(default_factory=dict["Path", "tuple[str, float]"])
    _history: dict[CommitId, tuple[int, Sequence[TensorEntry]]] = field(
        default_factory=dict["CommitId", "tuple[int, Sequence[TensorEntry]]"]
    )
    """By commit, its step and its tensors; oldest first."""

    def remember(self, commit: CommitId, step: int, tensors: Sequence[TensorEntry]) -> None:
        """Take a sound checkpoint's tensors as history for admission of those after it."""
        self._history[commit] = step, tensors
        self._history = {key: self._history[key] for key in sorted(self._history)[-_HISTORY:]}

    def look(self, term: int, held: Sequence[What], began: CommitId | None = None) -> list[Entry]:
        """Pin and admit the newest that is new, or the next older one. `held`: all commits, of any term, that stand.

        `began`: what the term goes on from. What its writer had saved before that is behind the run, and gets no number.
        """
        newest = max(held, key=lambda each: each.id(), default=None)
        self._began = next((each for each in held if each.id() == began), None)
        candidates = find(self.folder) if self.folder.is_dir() else []
        self.torn = {c.path.name: c.why for c in candidates if not c.complete}
        ready = self._ready([c for c in candidates if c.complete], held)
        numbered = self._number([each for each in ready if not each.held], term, newest)
        self.waiting = sum(1 for each in ready if each.candidate.path.name not in self.passed_over)
        for height, each in sorted(numbered, key=lambda pair: pair[0], reverse=True):
            if not each.settled or not self._has_room(CommitId(term, height), newest):
                continue
            self.waiting -= 1
            entry = self._take(each, CommitId(term, height), newest, held)
            if entry is not None:
                self.layout, self.certainty = each.candidate.layout, str(each.candidate.certainty)
                return [entry]
        for each in reversed(ready):
            if each.held and each.settled:
                self._compare(each, held)
                break
        return []

    def _ready(self, whole: list[Candidate], held: Sequence[What]) -> list[_Ready]:
        found: list[_Ready] = []
        looks = {(what.name, what.files, what.size_bytes, what.saved_at) for what in held}
        for candidate in whole:
            try:
                signature, saved_at, look = sign(candidate), _saved_at(candidate), _look_of(candidate)
            except FileNotFoundError:
                continue
            if not self.spool.knows(signature):
                settled = self._is_settled(candidate, signature, saved_at)
                rests = settled or self.clock() - saved_at > self.quiet_s
                like_held = signature not in self._others and look in looks
                found.append(_Ready(candidate, signature, saved_at, settled, rests, like_held))
        paths = {each.candidate.path for each in found}
        self._seen = {path: seen for path, seen in self._seen.items() if path in paths}
        return sorted(found, key=lambda each: each.order)

    def _is_settled(self, candidate: Candidate, signature: str, saved_at: float) -> bool:
        now = time.monotonic()
        before, since = self._seen.get(candidate.path, ("", now))
        if before != signature:
            self._seen[candidate.path] = (signature, now)
            return candidate.settle is Settle.AT_ONCE
        long_ago = self.clock() - saved_at > _LONG_AGO * self.quiet_s
        return candidate.settle is not Settle.QUIET or long_ago or now - since >= self.quiet_s

    def _number(self, ready: list[_Ready], term: int, newest: What | None) -> list[tuple[int, _Ready]]:
        """Heights in the order of steps. What is older than a numbered one in step and time gets none any more."""
        known, head = self.spool.reserved(term), self._head(term, newest)
        late = [each for each in ready if each.signature not in known and _is_older(each, head)]
        self.passed_over = {each.candidate.path.name: f"older than {_said(head)}" for each in late}
        wanted = [each for each in ready if (each.at_rest or head is None) and each not in late]
        heights = self.spool.reserve(term, [each.signature for each in wanted], _height_in(term, newest))
        if sum(1 for each in wanted if each.signature not in known) > 1:
            top = wanted[-1]
            self.spool.set_newest(term, self._step(top.candidate, newest), top.saved_at)
        return [(heights[each.signature], each) for each in wanted]

    def _head(self, term: int, newest: What | None) -> tuple[int, float] | None:
        """(step, time of save) of the newest of the term, numbered here or committed, or of what the term goes on from."""
        last = newest if newest is not None and newest.term == term else self._began
        known = [self.spool.newest(term), (last.step, last.saved_at) if last is not None else None]
        return max((each for each in known if each is not None), key=lambda each: each[1], default=None)

    def _step(self, candidate: Candidate, newest: What | None) -> int:
        """The step that the names say; else saves are counted, on from the newest commit."""
        if candidate.step is not None:
            return candidate.step
        steps = [entry.push.step for entry in self.spool.entries()]
        return max([*steps, newest.step if newest is not None else 0]) + 1

    def _has_room(self, commit: CommitId, newest: What | None) -> bool:
        entries = self.spool.entries()
        heights = [entry.push.height for entry in entries if entry.push.term == commit.term]
        if commit.height > max([*heights, _height_in(commit.term, newest)]):
            return True
        return sum(1 for entry in entries if not entry.marks()) < _AHEAD

    def _read(self, candidate: Candidate) -> tuple[Path, Snapshot] | None:
        """The checkpoint, pinned and read; None if it went or changed meanwhile."""
        try:
            making = self.spool.pin(
                candidate.path, candidate.files, copy=candidate.rewritten, folders=candidate.folders
            )
        except FileNotFoundError:
            return None
        try:
            return making, take_snapshot(making / "files", candidate.files, candidate.folders)
        except (CheckpointTorn, SourceChanged):
            self.spool.discard(making)
            return None

    def _compare(self, ready: _Ready, held: Sequence[What]) -> None:
        """Read one that looks like a commit. If it is none, it is new from the next look on."""
        read = self._read(ready.candidate)
        if read is None:
            return
        self.spool.discard(read[0])
        if _is_held(read[1], held):
            self.spool.note(ready.signature)
        else:
            self._others.add(ready.signature)

    def _take(self, ready: _Ready, provisional: CommitId, newest: What | None, held: Sequence[What]) -> Entry | None:
        candidate = ready.candidate
        if self._versions is None:
            self._versions = WatchedVersions(self.folder, code=self.code, here=self.here)
        self._versions.ask()
        read = self._read(candidate)
        if read is None:
            return None
        making, snapshot = read
        if _is_held(snapshot, held):
            self.spool.discard(making)
            self.spool.note(ready.signature)
            return None
        try:
            return self._admit(ready, provisional, newest, making, snapshot, self._versions)
        except OSError:
            self.spool.discard(making)
            raise

    def _admit(
        self, ready: _Ready, provisional: CommitId, newest: What | None, making: Path, snapshot: Snapshot,
        versions: WatchedVersions,
    ) -> Entry:  # fmt: skip
        candidate, term = ready.candidate, provisional.term
        findings = self._judge(provisional, self._step(candidate, newest), snapshot)
        gathered = versions.of(snapshot, candidate.layout)
        snapshot = self.spool.keep_beside(making, snapshot, gathered.files)
        with self.spool.lock:
            height = self.spool.reserve(term, [ready.signature], _height_in(term, newest))[ready.signature]
            step = self._step(candidate, newest)
            push = Push(
                workload=self.workload, name=shown(candidate.path.name), term=term, height=height, step=step,
                attempt=self.token(), salt=bytes.fromhex(self.token())[:16], saved_at=snapshot.saved_at,
                parent=self._parent(CommitId(term, height), newest), findings=findings,
                counter=self.spool.counter, versions=gathered.versions,
            )  # fmt: skip
            if height > self.spool.last_height(term):
                self.spool.set_newest(term, step, snapshot.saved_at)
            return self.spool.admit(making, push, ready.signature, snapshot)

    def _parent(self, commit: CommitId, newest: What | None) -> CommitId | None:
        known = [CommitId(entry.push.term, entry.push.height) for entry in self.spool.entries()]
        known += [newest.id()] if newest is not None else []
        return max((each for each in known if each < commit), default=None)

    def _judge(self, commit: CommitId, step: int, snapshot: Snapshot) -> tuple[Finding, ...]:
        """Beside older steps alone: a run that went back makes the same ones once more, bit for bit if it can."""
        history = [tensors for key, (at, tensors) in self._history.items() if key < commit and at < step]
        findings = judged(snapshot.tensors, history, snapshot=snapshot, policy=self.policy)
        if not findings:
            self.remember(commit, step, snapshot.tensors)
        return findings


def _is_older(ready: _Ready, head: tuple[int, float] | None) -> bool:
    """In step and time: a run that went back to an older step saves it later, and goes on."""
    step = ready.candidate.step
    return head is not None and step is not None and step < head[0] and ready.saved_at < head[1]


def _said(head: tuple[int, float] | None) -> str:
    return "" if head is None else f"step {head[0]}, which was numbered first"


def _height_in(term: int, newest: What | None) -> int:
    return newest.height if newest is not None and newest.term == term else 0


def _is_held(snapshot: Snapshot, held: Sequence[What]) -> bool:
    whole = snapshot.digest
    return any(what.root == whole for what in held)


def _look_of(candidate: Candidate) -> tuple[str, int, int, float]:
    """What a commit says of its files without their contents."""
    size_bytes = sum(path.stat().st_size for path in _paths(candidate))
    return candidate.path.name, len(candidate.files), size_bytes, _saved_at(candidate)


def _saved_at(candidate: Candidate) -> float:
    return max(path.stat().st_mtime_ns for path in _paths(candidate)) / 1e9


def _paths(candidate: Candidate) -> list[Path]:
    return [candidate.path / name for name in candidate.files] if candidate.path.is_dir() else [candidate.path]


def judged(
    tensors: Sequence[TensorEntry],
    history: Sequence[Sequence[TensorEntry]],
    *,
    snapshot: Snapshot | None = None,
    policy: Policy = DEFAULT,
) -> tuple[Finding, ...]:
    """What admission finds in a checkpoint's tensors, against older ones, oldest first; in `snapshot` its indices too."""
    findings = list(judge(summaries(tensors), [summaries(each) for each in history], policy=policy))
    if snapshot is not None and "index" not in policy.off:
        files, held = [entry.path for entry in snapshot.entries], [(t.name, t.file) for t in tensors]
        for index in snapshot.indices:
            findings.extend(judge_index(index.file, index.shard_of, files, held))
    return tuple(Finding(reason=f.reason, tensor=f.tensor, evidence=f.evidence) for f in findings)


def sign(candidate: Candidate) -> str:
    """Names, sizes and times of a checkpoint's files: another save under the same name has another signature."""
    rows: list[tuple[str, int, int]] = []
    for name, path in zip(candidate.files, _paths(candidate), strict=False):
        info = path.stat()
        rows.append((name, info.st_size, info.st_mtime_ns))
    return hashlib.blake2b(repr((candidate.path.name, rows)).encode(), digest_size=16).hexdigest()


def summaries(tensors: Sequence[TensorEntry]) -> tuple[TensorSummary, ...]:
    """Manifest entries as admission takes them: shards share their tensor's name."""
    return tuple(
        TensorSummary(
            name=t.name,
            dtype=t.dtype,
            shape=t.global_shape or t.shape,
            digest=t.digest,
            nan_count=t.nan_count,
            inf_count=t.inf_count,
            zero_fraction=t.zero_fraction,
            sum_squares=float("inf") if t.sum_squares is None else t.sum_squares,
            size=math.prod(t.shape),
            file=t.file,
        )
        for t in tensors
    )
