"""From a watched folder to the spool: find complete checkpoints, pin them, read them once, judge them, number them.

Torn checkpoints are left alone and named in the status; suspect ones are pushed with their finding.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.admission import TensorSummary, judge
from replicator.errors import CheckpointTorn, SourceChanged
from replicator.layouts import DcpLayout, PlainLayout
from replicator.model import CommitId, Finding
from replicator.repository.manifest import root
from replicator.repository.ship import Push
from replicator.repository.snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from replicator.layouts import Candidate
    from replicator.repository.manifest import TensorEntry
    from replicator.service.spool import Entry, Spool

_HISTORY = 8
_LAYOUTS = (DcpLayout(), PlainLayout())
_SEALED_BY = ".metadata"
"""A file that its writer makes last: a checkpoint that has it need not be seen standing still."""


@dataclass(slots=True)
class Intake:
    """One workload's watched folder. `known_roots` are roots that a repository holds already, in any term."""

    workload: str
    folder: Path
    spool: Spool
    token: Callable[[], str]
    torn: dict[str, str] = field(default_factory=dict[str, str])
    """Incomplete checkpoints seen at the last look: name and why."""
    _seen: dict[str, str] = field(default_factory=dict[str, str])
    _history: list[Sequence[TensorEntry]] = field(default_factory=list["Sequence[TensorEntry]"])

    def remember(self, tensors: Sequence[TensorEntry]) -> None:
        """Take an older checkpoint's tensors as history for admission."""
        self._history = [*self._history, tensors][-_HISTORY:]

    def look(self, term: int, last: CommitId | None, known_roots: Callable[[], set[str]]) -> list[Entry]:
        """Pin and admit what is new, oldest first. `last` is the newest commit known of any term."""
        made: list[Entry] = []
        candidates = [c for layout in _LAYOUTS for c in layout.find(self.folder)] if self.folder.is_dir() else []
        self.torn = {c.path.name: c.why for c in candidates if not c.complete}
        for candidate in candidates:
            if candidate.complete and candidate.step is not None:
                entry = self._take(candidate, candidate.step, term, last, known_roots)
                if entry is not None:
                    made.append(entry)
                    last = CommitId(term, entry.push.height)
        return made

    def _take(
        self, candidate: Candidate, step: int, term: int, last: CommitId | None, known_roots: Callable[[], set[str]]
    ) -> Entry | None:
        try:
            signature = sign(candidate)
        except FileNotFoundError:
            return None
        if self.spool.knows(signature) or not self._stands_still(candidate, signature):
            return None
        making = self.spool.pin(candidate.path, candidate.files)
        try:
            snapshot = take_snapshot(making / "files", candidate.files)
        except (CheckpointTorn, SourceChanged):
            self.spool.discard(making)
            return None
        if root(snapshot.entries) in known_roots():
            self.spool.discard(making)
            self.spool.note(signature)
            return None
        findings = self._judge(snapshot)
        with self.spool.lock:
            push = Push(
                workload=self.workload, name=candidate.path.name, term=term, height=self._next_height(term, last),
                step=step, attempt=self.token(), salt=bytes.fromhex(self.token())[:16], saved_at=snapshot.saved_at,
                parent=last, findings=findings, counter=self.spool.counter,
            )  # fmt: skip
            return self.spool.admit(making, push, signature, snapshot)

    def _stands_still(self, candidate: Candidate, signature: str) -> bool:
        if any(name.rsplit("/", 1)[-1] == _SEALED_BY for name in candidate.files):
            return True
        before = self._seen.get(candidate.path.name)
        self._seen[candidate.path.name] = signature
        return before == signature

    def _next_height(self, term: int, last: CommitId | None) -> int:
        known = last.height if last is not None and last.term == term else 0
        return max(known, self.spool.last_height(term)) + 1

    def _judge(self, snapshot: Snapshot) -> tuple[Finding, ...]:
        findings = judged(snapshot.tensors, self._history)
        if not findings:
            self.remember(snapshot.tensors)
        return findings


def judged(tensors: Sequence[TensorEntry], history: Sequence[Sequence[TensorEntry]]) -> tuple[Finding, ...]:
    """What admission finds in a checkpoint's tensors, against older ones, oldest first."""
    findings = judge(summaries(tensors), [summaries(each) for each in history])
    return tuple(Finding(reason=f.reason, tensor=f.tensor, evidence=f.evidence) for f in findings)


def sign(candidate: Candidate) -> str:
    """Names, sizes and times of a checkpoint's files: another save under the same name has another signature."""
    rows: list[tuple[str, int, int]] = []
    for name in sorted(candidate.files):
        path = candidate.path / name if candidate.path.is_dir() else candidate.path
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
        )
        for t in tensors
    )
