"""Checkpoints that a trainer says are complete, shipped beside the training, and what became of them.

`submit` only links the files into the spool; two kinds of threads do the rest, as in the service: one reads, judges and
numbers, one for each repository ships. Invariant: nothing that goes wrong here reaches the trainer as an exception,
and nothing that was submitted is forgotten: it is committed, or `wait` names it. The spool survives a kill: the next
start ships what is in it.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import (
    CheckpointTorn,
    NotAcknowledged,
    NotOpen,
    ReplicatorError,
    Sealed,
    SourceChanged,
    StoreError,
)
from replicator.formats.tree import empty_folders
from replicator.layouts import inspect
from replicator.repository.beside import FOLDER as BESIDE
from replicator.repository.names import shown
from replicator.repository.repository import random_token
from replicator.repository.ruling import newest_sound
from replicator.repository.ship import Push
from replicator.repository.snapshot import take_snapshot
from replicator.service.holding import hold
from replicator.service.intake import judged, sign
from replicator.service.once import open_for
from replicator.service.shipping import Shipping
from replicator.service.spool import Spool, read_entries
from replicator.train.acknowledging import Wanted, await_receipts
from replicator.train.targets import log, open_repositories, say_if_plain, urls_of
from replicator.versions.watched import run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from replicator.consistency.point import TakenPoint
    from replicator.log.replay import LogView
    from replicator.repository.manifest import TensorEntry
    from replicator.repository.snapshot import Snapshot
    from replicator.service.spool import Entry
    from replicator.versions.document import Run
    from replicator.versions.gather import Gathered, Gathering

_HISTORY = 8
_PRIMED = 3
_LOOK_S = 0.2
_RETRY_S = 1.0
_SAY_EVERY_S = 10.0
_GATHER_S = 15.0
SPOOL_NAME = ".drstack-spool"


@dataclass(frozen=True, slots=True)
class NotShipped:
    """A checkpoint that a repository does not have, and why."""

    step: int
    repository: str
    why: str

    def __str__(self) -> str:
        return f"step {self.step} is not in {self.repository}: {self.why}"


@dataclass(frozen=True, slots=True)
class _Waiting:
    making: Path
    name: str
    step: int
    signature: str
    files: tuple[str, ...]
    run: Run | None
    point: TakenPoint | None


class Shipper:
    """Ships one workload's checkpoints to one repository or several. Not two at once on one spool.

    RepositoryUnknown at once where a URL holds no repository, so that a typing error is found before a day of training.
    A store that does not answer is tried again, for ever.
    """

    def __init__(
        self,
        repo: str | Sequence[str],
        *,
        workload: str,
        spool: Path,
        writer: str = "standalone",
        versions: Gathering | None = None,
    ) -> None:
        self._versions = versions
        self._urls = urls_of(repo)
        self._workload = workload
        self._writer = writer
        self._peers = open_repositories(self._urls)
        self._term = 0
        self._known: LogView | None = None
        self._reach()
        refused = ReplicatorError(
            f"{spool}: another process ships {workload} from it", hint="End it, or give this one a spool of its own."
        )
        self._lock = hold(spool / f".{workload}.lock", refused)
        try:
            self._spool = Spool(spool / workload)
        except BaseException:
            os.close(self._lock)
            raise
        self._stop = threading.Event()
        self._arrived = threading.Event()
        self._unread: list[_Waiting] = []
        self._lost: list[NotShipped] = []
        self._saved_at: dict[tuple[str, int], float] = {}
        self._trouble: str | None = None
        self._history: list[tuple[int, Sequence[TensorEntry]]] | None = None
        """Steps and tensors of sound ones, oldest first."""
        self._wake = [threading.Event() for _ in self._urls]
        self._shipping = [
            Shipping(each, self._spool, wake, self._sealed, _RETRY_S)
            for each, wake in zip(open_repositories(self._urls), self._wake, strict=True)
        ]
        self._open = threading.Lock()
        self._threads = [threading.Thread(target=self._run, name="drstack-intake", daemon=True)]
        self._threads += [
            threading.Thread(target=each.run, args=(self._stop,), name="drstack-ship", daemon=True)
            for each in self._shipping
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        path: Path,
        step: int,
        fault: str | None = None,
        *,
        run: Run | None = None,
        point: TakenPoint | None = None,
    ) -> bool:
        """Take a checkpoint that the trainer has finished. False, with an error logged, if it cannot be taken.

        `fault`: why it cannot, where the caller knows. `run`: how the training runs now. `point`: what was kept of other
        systems at this step; its folder is taken over.
        """
        try:
            candidate = inspect(path)
            if fault is not None or not candidate.complete:
                raise CheckpointTorn(fault or f"{path}: {candidate.why}")
            signature = sign(candidate)
            making = self._spool.link(path, candidate.files, folders=candidate.folders)
            if point is not None:
                point.move_to(making / BESIDE)
        except (ReplicatorError, OSError) as error:
            self._lose(step, str(error))
            return False
        waiting = _Waiting(making, shown(path.absolute().name), step, signature, candidate.files, run, point)
        with self._open:
            self._unread.append(waiting)
            self._saved_at = {(waiting.name, step): _saved_at(making)}
        self._arrived.set()
        return True

    def acknowledge(self, path: Path, step: int, near: Sequence[str], *, patience_s: float | None) -> None:
        """Until the repositories `near` have what was submitted as `path`, with receipts. For any thread.

        NotAcknowledged, Sealed.
        """
        name = shown(path.absolute().name)
        with self._open:
            saved_at = self._saved_at.pop((name, step), None)
        if saved_at is None:
            raise NotAcknowledged(
                f"step {step} was not taken: {self._why_lost(step) or 'its files could not be linked'}"
            )
        wanted = Wanted(self._workload, step, name, saved_at)
        for url, repository in zip(near, open_repositories(near), strict=True):
            await_receipts(
                repository, wanted, patience_s=patience_s, failed=lambda url=url: self._why_not(step, saved_at, url)
            )

    def _why_lost(self, step: int) -> str | None:
        with self._open:
            return next((each.why for each in self._lost if each.step == step), None)

    def _why_not(self, step: int, saved_at: float, url: str) -> str | None:
        """Why a save will never be in a repository; None while it may be."""
        name = self._shipping[self._urls.index(url)].repository.name
        for entry in self._spool.entries():
            if (entry.push.step, entry.push.saved_at) == (step, saved_at):
                mark = entry.marks().get(name, "committed")
                return None if mark == "committed" else mark
        return self._why_lost(step)

    def wait(
        self, timeout_s: float | None = None, *, enough: Callable[[], bool] = lambda: False
    ) -> tuple[NotShipped, ...]:
        """Until all that was submitted is in every repository, or the time is over, or `enough` says so.

        What is missing, where, and why.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        said = time.monotonic()
        while self.pending() and (until is None or time.monotonic() < until) and not enough():
            if time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                log.warning("still shipping %s", "; ".join(str(each) for each in self.pending()))
            self._stop.wait(_LOOK_S)
        self._settle()
        with self._open:
            lost = tuple(self._lost)
        return (*lost, *self.pending())

    def pending(self) -> tuple[NotShipped, ...]:
        """What is on its way."""
        with self._open:
            unread = tuple(self._unread)
        missing = [NotShipped(w.step, url, self._trouble or "not read yet") for w in unread for url in self._urls]
        for entry in self._spool.entries():
            marks = entry.marks()
            missing += [
                NotShipped(entry.push.step, url, way.status.trouble or "on its way")
                for url, way in zip(self._urls, self._shipping, strict=True)
                if way.repository.name not in marks and entry.folder.is_dir()
            ]
        return tuple(missing)

    def close(self) -> None:
        """Stop the threads. What is not shipped stays in the spool."""
        self._stop.set()
        for wake in self._wake:
            wake.set()
        for thread in self._threads:
            thread.join(timeout=60)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _reach(self) -> None:
        """Look at every repository before the training begins; one that is away now is tried again later."""
        for url, repository in zip(self._urls, self._peers, strict=True):
            try:
                say_if_plain(repository)
                view = open_for(repository, self._workload, self._writer)
                self._term = max(self._term, view.term)
            except StoreError as error:
                log.error("%s: not reached, nothing is protected until it is: %s", url, error)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._unread:
                    self._take(self._unread[0])
                self._settle()
                self._trouble = None
            except (ReplicatorError, OSError) as error:
                if self._trouble != str(error):
                    log.error("%s: cannot ship now, trying again: %s", self._workload, error)
                self._trouble = str(error)
                self._stop.wait(_RETRY_S)
            if not self._unread:
                self._arrived.wait(_LOOK_S)
                self._arrived.clear()

    def _take(self, waiting: _Waiting) -> None:
        """Read, judge and number a checkpoint, and make it an entry of the spool; again later where a store is away."""
        try:
            self._spool.settle(waiting.making)
            files = waiting.making / "files"
            snapshot = take_snapshot(files, waiting.files, empty_folders(files))
        except (CheckpointTorn, SourceChanged, OSError) as error:
            self._give_up(waiting, str(error))
            return
        try:
            view = self._view()
        except (Sealed, NotOpen) as error:
            self._give_up(waiting, str(error))
            return
        self._number(view.term)
        history = self._prime(view, waiting.step)
        older = [tensors for step, tensors in history if step < waiting.step]
        findings = judged(snapshot.tensors, older, snapshot=snapshot)
        if findings:
            log.error(
                "step %d is SUSPECT (%s): it is shipped, and never restored as latest",
                waiting.step, ", ".join(finding.reason for finding in findings),
            )  # fmt: skip
        last = max(view.accepted, default=None)
        gathered = self._gathered(waiting, snapshot)
        snapshot = self._spool.keep_beside(waiting.making, snapshot, gathered.files if gathered else {})
        with self._spool.lock:
            known = last.height if last is not None and last.term == view.term else 0
            push = Push(
                workload=self._workload, name=waiting.name, term=view.term,
                height=max(known, self._spool.last_height(view.term)) + 1, step=waiting.step, attempt=random_token(),
                salt=bytes.fromhex(random_token())[:16], saved_at=snapshot.saved_at, parent=last, findings=findings,
                counter=self._spool.counter, versions=gathered.versions if gathered else None,
                point=waiting.point.point if waiting.point else None,
            )  # fmt: skip
            self._spool.admit(waiting.making, push, waiting.signature, snapshot)
        if not findings:
            self._history = [*history, (waiting.step, snapshot.tensors)][-_HISTORY:]
        with self._open:
            self._unread.remove(waiting)
        for wake in self._wake:
            wake.set()

    def _gathered(self, waiting: _Waiting, snapshot: Snapshot) -> Gathered | None:
        """What the checkpoint was made with. Waits a little, beside the training, and no longer."""
        if self._versions is None:
            return None
        self._versions.wait(_GATHER_S)
        return self._versions.now(run_of(snapshot, waiting.run))

    def _view(self) -> LogView:
        """The first repository's log, which says who writes; where it is away, the next one's that answers.

        Where none answers, what was known: the spool numbers in that term, and a seal meanwhile refuses the entry.
        """
        trouble: ReplicatorError = ReplicatorError(f"no repository knows term {self._term} of {self._workload}")
        for repository in self._peers:
            try:
                view = open_for(repository, self._workload, self._writer)
            except StoreError as error:
                trouble = error
                continue
            if view.term < self._term:
                continue
            if not view.writable:
                raise Sealed(f"term {view.term} of {self._workload} is sealed")
            self._term, self._known = view.term, view
            self._spool.born(view.term)
            return view
        if self._known is None or not self._spool.numbers(self._term):
            raise trouble
        return self._known

    def _number(self, term: int) -> None:
        """With a spool that is younger than the term, go on above what any repository holds of it."""
        if not self._spool.numbers(term):
            heads = [repository.log(self._workload).view().heads() for repository in self._peers]
            self._spool.number_above(term, max(head.get(str(term), 0) for head in heads))

    def _prime(self, view: LogView, step: int) -> list[tuple[int, Sequence[TensorEntry]]]:
        if self._history is None:
            ours = self._peers[0]
            sound = newest_sound(ours, self._workload, view, _PRIMED, below=step)
            self._history = [(each.what.step, tensors) for each in sound for tensors in ours.tensors([each])]
        return self._history

    def _settle(self) -> None:
        """Let go of what every repository has taken or will never take; the latter is said."""
        names = {way.repository.name: url for url, way in zip(self._urls, self._shipping, strict=True)}
        with self._spool.lock:
            for entry in self._spool.entries():
                marks = entry.marks()
                if names.keys() <= marks.keys():
                    for name, url in names.items():
                        if marks[name] != "committed":
                            self._lose(entry.push.step, marks[name], url)
                    self._spool.finish(entry)

    def _sealed(self, term: int, why: str) -> None:
        log.error("%s: another site writes now, nothing more is shipped from here: %s", self._workload, why)
        self._spool.refuse(term, [way.repository.name for way in self._shipping], why)

    def _give_up(self, waiting: _Waiting, why: str) -> None:
        self._spool.discard(waiting.making)
        with self._open:
            self._unread.remove(waiting)
        self._lose(waiting.step, why)

    def _lose(self, step: int, why: str, url: str | None = None) -> None:
        lost = [NotShipped(step, each, why) for each in ((url,) if url else self._urls)]
        with self._open:
            self._lost.extend(lost)
        for each in lost:
            log.error("%s", each)


def _saved_at(making: Path) -> float:
    """As a snapshot of it will say."""
    return max(path.stat().st_mtime_ns for path in (making / "files").rglob("*") if path.is_file()) / 1e9


def pending_signatures(spool: Path, workload: str) -> dict[str, Entry]:
    """What a spool holds that nobody has taken yet, by the signature of the trainer's files; none without a spool.

    For a reader beside a running shipper or before one: it changes nothing.
    """
    return (
        {entry.signature: entry for entry in read_entries(spool / workload)[0]} if (spool / workload).is_dir() else {}
    )
