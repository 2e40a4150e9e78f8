"""A site's anchors: how far each log reached is told to the witness, and what the witness knows is asked of each log.

Invariant: nothing waits for the witness. While it is away everything goes on, which is said; what is held up is writing
to a repository of which an anchor shows that it was rolled back, for as long as an anchor shows it.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.errors import ReplicatorError, RepositoryUnknown, TermRegressed
from replicator.repository.anchors import head_to_anchor, why_behind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from replicator.repository.anchors import Anchor, Anchors
    from replicator.repository.repository import Repository

_log = structlog.get_logger("replicator")
LOOK_S = 15.0
_LONGEST_WAIT_S = 300.0
FIRST_LOOK_S = 10.0
"""A start waits so long for the first word about rollbacks, at most."""


@dataclass(slots=True)
class Standing:
    """One log: what was anchored of it last (`at`: unix s), and why it counts as rolled back; None while it does not."""

    anchor: Anchor | None = None
    at: float | None = None
    rolled_back: str | None = None
    tried_at: float = float("-inf")
    """When an anchor was last written or read (monotonic)."""


def is_due(known: Anchor | None, head: Anchor, *, since_s: float, every_s: float, every_slots: int, last: bool) -> bool:
    """Whether `head` is to be anchored now: a log that moved, every so often, at a new term, and in the end."""
    if known is None:
        return True
    if head.slot <= known.slot:
        return False
    moved = head.slot - known.slot >= every_slots or head.term > known.term
    return last or moved or since_s >= every_s


@dataclass(slots=True)
class Anchoring:
    """`repositories` are this thread's own, the site's first; `writes` says whether this site writes a workload now."""

    anchors: Anchors
    repositories: Sequence[Repository]
    workloads: Sequence[str]
    writes: Callable[[str], bool]
    every_s: float
    every_slots: int
    trouble: str | None = None
    """Why the witness says nothing; None while it does."""
    failures: int = 0
    written: int = 0
    logs: dict[tuple[str, str], Standing] = field(default_factory=dict[tuple[str, str], Standing])
    """By workload and destination."""
    looked: threading.Event = field(default_factory=threading.Event)
    _wait_s: float = 0.0
    _next: float = 0.0

    def run(self, stop: threading.Event) -> None:
        try:
            self.look(every=True)
        finally:
            self.looked.set()
        while not stop.wait(min(LOOK_S, self.every_s)):
            self.look()
        self.look(last=True)

    def rolled_back(self, workload: str, destination: str) -> str | None:
        """Why nothing may be written to that log."""
        found = self.logs.get((workload, destination))
        return None if found is None else found.rolled_back

    def look(self, *, every: bool = False, last: bool = False) -> None:
        """One round over the logs that are this site's to anchor (`every`: over all). Raises nothing for trouble."""
        trouble: str | None = None
        away = not last and time.monotonic() < self._next
        for repository, workload in self._of_ours(every=every):
            standing = self.logs.setdefault((workload, repository.name), Standing())
            try:
                self._look_at(repository, workload, standing, away=away or trouble is not None, last=last)
            except _WitnessTroubleError as error:
                trouble = str(error)
            except (ReplicatorError, OSError) as error:  # its worker says that the repository is away
                _log.debug("not anchored", destination=repository.name, workload=workload, why=str(error))
        if not away:
            self._say(trouble)

    def _of_ours(self, *, every: bool) -> Iterator[tuple[Repository, str]]:
        for n, repository in enumerate(self.repositories):
            for workload in self.workloads:
                if every or n == 0 or self.writes(workload):
                    yield repository, workload

    def _look_at(self, repository: Repository, workload: str, standing: Standing, *, away: bool, last: bool) -> None:
        try:
            if standing.anchor is None or standing.rolled_back is not None:
                self._ask(repository, workload, standing, away=away)
            why = None if standing.anchor is None else why_behind(repository.store, workload, standing.anchor)
            head = None if why else head_to_anchor(repository, workload, repository.log(workload).view())
        except TermRegressed as error:
            why, head = str(error), None
        except RepositoryUnknown:
            return
        self._judge(repository, workload, standing, why)
        if head is None or away:
            return
        since_s = time.monotonic() - standing.tried_at
        if is_due(
            standing.anchor, head, since_s=since_s, every_s=self.every_s, every_slots=self.every_slots, last=last
        ):
            self._anchor(repository, workload, standing, head)

    def _ask(self, repository: Repository, workload: str, standing: Standing, *, away: bool) -> None:
        if away:
            return
        repository.format()
        with _witness():
            there = self.anchors.last(repository, workload)
        if there is not None:
            standing.anchor, standing.at = there.anchor, there.at
            standing.tried_at = time.monotonic()

    def _anchor(self, repository: Repository, workload: str, standing: Standing, head: Anchor) -> None:
        with _witness():
            there = self.anchors.note(repository, workload, head)
        standing.anchor, standing.at, standing.tried_at = there.anchor, there.at, time.monotonic()
        if there.anchor == head:
            self.written += 1
        else:
            self._judge(repository, workload, standing, why_behind(repository.store, workload, there.anchor))

    def _judge(self, repository: Repository, workload: str, standing: Standing, why: str | None) -> None:
        if (why is None) == (standing.rolled_back is None):
            standing.rolled_back = why
            return
        standing.rolled_back = why
        named = {"destination": repository.name, "workload": workload}
        if why is None:
            _log.warning("what was rolled back is there again", **named)
        else:
            remedy = f"replicator repair --repo {repository.store.url} --from PEER --anchors WITNESS#ENV/SITE"
            _log.error("repository was rolled back", **named, why=why, remedy=remedy)

    def _say(self, trouble: str | None) -> None:
        if trouble is None:
            if self.trouble is not None:
                _log.warning("the witness takes anchors again", witness=self.anchors.url)
            self.trouble, self._wait_s, self._next = None, 0.0, 0.0
            return
        if self.trouble is None:
            _log.warning("nothing is anchored; shipping goes on", witness=self.anchors.url, why=trouble)
        self.trouble = trouble
        self.failures += 1
        self._wait_s = min(_LONGEST_WAIT_S, max(LOOK_S, self._wait_s * 2))
        self._next = time.monotonic() + self._wait_s

    def document(self) -> dict[str, object]:
        """What the status file says of it."""
        logs: dict[str, dict[str, object]] = {}
        for (workload, destination), each in sorted(self.logs.items()):
            told = {"at": each.at, "rolled_back": each.rolled_back}
            body = {} if each.anchor is None else each.anchor.model_dump(mode="json")
            logs.setdefault(workload, {})[destination] = {**body, **told}
        return {"witness": self.anchors.url, "trouble": self.trouble, "written": self.written, "logs": logs}


class _WitnessTroubleError(Exception):
    """The witness, and not the repository, is what failed."""


@contextmanager
def _witness() -> Generator[None]:
    try:
        yield
    except (ReplicatorError, OSError) as error:
        raise _WitnessTroubleError(str(error)) from error
