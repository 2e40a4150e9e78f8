"""What a site does unattended to know that its repository comes back: scrub, repair from peers, drill.

Invariant: it is in nobody's way. It reads its own repository below a rate, holds no lock that shipping waits for, and
stops within a second where somebody restores. What it finds is a receipt, and is told in status and metrics.
"""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from pydantic import Field, ValidationError

from replicator.crypto.trust import write_whole
from replicator.errors import ReplicatorError
from replicator.model import Frozen
from replicator.repository.drill import drill
from replicator.repository.pinning import DRILL, let_go, pinned
from replicator.repository.repair import repair
from replicator.repository.risk import facts_of, ranked
from replicator.repository.scrub import load, needed_bytes, save, scrub
from replicator.service.schedule import drill_due, drill_overdue, least_rate, scrub_due_bytes, scrub_overdue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository
    from replicator.repository.risk import Risk
    from replicator.repository.scrub import Place
    from replicator.service.config import Drill, Scrub

_log = structlog.get_logger("replicator")
_SLICE_BYTES = 64 * 1024 * 1024
"""After so much it is noted where scrubbing is."""
_TURN_S = 20.0
"""After so long a scrub lets a drill or a repair have its turn, however much is due."""
_BREATH_S = 0.05
_AGAIN_S = 3600.0
"""What no peer could put back is tried again so often."""
_ROOM = 2
"""A drill leaves as much of the disk free as it takes."""
_NEXT = 3


class Drilled(Frozen):
    """The last drill that came to an end; `at` in unix seconds."""

    at: float
    workload: str
    commit: str
    step: int
    ok: bool
    reason: str | None
    seconds: float
    size_bytes: int


class Known(Frozen):
    """`since`: when there first was something to drill (unix s). `next_`: what to test next, most wanted first."""

    since: float | None = None
    drilled: Drilled | None = None
    next_: list[str] = Field(default_factory=list)


class Preempted(Exception):
    """Somebody restores, or the service ends: what was begun is dropped."""


@dataclass(slots=True)
class Verifying:
    """The site's own repository, as this thread reads it; `peers` are asked for what is damaged.

    `held`: why everything else has to wait now. `damage_seen`: how often others found damage here.
    """

    repository: Repository
    peers: Sequence[Repository]
    verifier: str
    folder: Path
    scrubbing: Scrub | None
    drilling: Drill | None
    held: Callable[[], str | None]
    rolled_back: Callable[[str], str | None]
    damage_seen: Callable[[], int]
    trouble: str | None = None
    read_bytes: int = 0
    repaired: int = 0
    left: dict[str, str] = field(default_factory=dict[str, str])
    """What no peer could put back, by key."""
    drills: int = 0
    drills_failed: int = 0
    total_bytes: int = 0
    _known: Known = field(default_factory=Known)
    _place: Place | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _repair_at: float = float("-inf")
    _damage_handled: int = 0
    _more: bool = False
    """Whether more of the scrub is due than one turn took."""
    _drill_at: float = float("-inf")
    """Not before then (monotonic) is a drill tried that could not be made."""
    _undrilled: str | None = None
    """Why none could be made when it was due."""

    def run(self, stop: threading.Event) -> None:
        self._stop = stop
        while not stop.wait(_BREATH_S if self._more else self.pause_s):
            with suppress(Preempted):
                self.round()

    @property
    def pause_s(self) -> float:
        """Between two looks at what is due: a thousandth of the shorter period, from a twentieth to 30 s."""
        periods = [each.every_s for each in (self.scrubbing, self.drilling) if each is not None]
        return min(30.0, max(0.05, min(periods, default=30.0) / 1000))

    def round(self) -> None:
        """Whatever is due now. Raises Preempted, and nothing for trouble."""
        if self.held() is not None:
            return
        try:
            self._start()
            whys = [self.rolled_back(each) for each in self.repository.workloads()]
            why = next((each for each in whys if each is not None), None)
            if why is not None:
                self.trouble = f"{self.repository.store.url} was rolled back: {why}"
                return
            self._scrub()
            self._try_drill()
            self._repair()
            self.trouble = self._undrilled
        except (ReplicatorError, OSError) as error:
            self._say(error)

    def _try_drill(self) -> None:
        """What keeps a drill from being made keeps nothing else, and is told until one is made."""
        try:
            if self._drill():
                self._undrilled = None
        except (ReplicatorError, OSError) as error:
            self._undrilled = str(error)
            self._say(error)

    def _say(self, error: Exception) -> None:
        if self.trouble != str(error):
            _log.warning("verification failed", repository=self.repository.name, why=str(error))
        self.trouble = str(error)

    def _start(self) -> None:
        """Read what was known, and clear away what a killed drill left."""
        if self._place is not None:
            return
        known = self.folder / "known.json"
        with suppress(FileNotFoundError, ValidationError):
            self._known = Known.model_validate_json(known.read_bytes())
        shutil.rmtree(self._scratch, ignore_errors=True)
        for workload in self.repository.workloads():
            let_go(self.repository, workload, self._pin)
        self._place = load(self.folder / "scrub.json")

    @property
    def _scratch(self) -> Path:
        return self.folder / "drills"

    @property
    def _pin(self) -> str:
        return f"{DRILL}{self.verifier}."

    def _scrub(self) -> None:
        wanted = self.scrubbing
        if wanted is None or self._place is None:
            return
        self.total_bytes = needed_bytes(self.repository)
        ends = time.monotonic() + _TURN_S
        self._more = False
        while self.total_bytes:
            due = scrub_due_bytes(self._place, self.total_bytes, now=self.repository.clock(), every_s=wanted.every_s)
            if due <= 0:
                return
            self._yield()
            done = scrub(
                self.repository, self._place, self.verifier, budget_bytes=min(due, _SLICE_BYTES),
                progress=self._advance(wanted.bytes_per_s), yields=self._yields,
            )  # fmt: skip
            found = done.place.damaged.keys() - self._place.damaged.keys()
            self._place = done.place
            self.folder.mkdir(parents=True, exist_ok=True)
            save(self.folder / "scrub.json", self._place)
            self.read_bytes += done.read_bytes
            for key in sorted(found):
                _log.error("object damaged", repository=self.repository.name, why=self._place.damaged[key])
            self._more = bool(done.left) and time.monotonic() >= ends
            if self._more or not done.left:
                return

    def _drill(self) -> bool:
        """Whether one was made."""
        wanted = self.drilling
        names = [each for each in self.repository.workloads() if self.repository.log(each).view().accepted]
        if wanted is None or not names:
            return False
        if self._known.since is None:
            self._know(self._known.model_copy(update={"since": self.repository.clock()}))
        if time.monotonic() < self._drill_at or not drill_due(
            self._since, now=self.repository.clock(), every_s=wanted.every_s
        ):
            return False
        self._drill_at = time.monotonic() + min(_AGAIN_S, wanted.every_s / 10)
        if not self.repository.cipher.readable:
            raise ReplicatorError(
                "nothing can be drilled here: no recipient's key is at hand",
                hint="Give this site one that it may restore with, or turn drills off.",
            )
        first, workload = self._risks(names)[0]
        view = self.repository.log(workload).view()
        self._practise(workload, next(each for each in view.in_order() if each.slot == first.facts.slot), names)
        self._drill_at = float("-inf")
        return True

    def _risks(self, names: Sequence[str]) -> list[tuple[Risk, str]]:
        """Over all workloads, what is at most risk first."""
        found = [(each, name) for name in names for each in ranked(facts_of(self.repository, name))]
        return sorted(found, key=lambda each: -each[0].score)

    @property
    def _since(self) -> float | None:
        """When a drill last ended, or there first was something to drill."""
        return self._known.drilled.at if self._known.drilled else self._known.since

    def _practise(self, workload: str, accepted: Accepted, names: Sequence[str]) -> None:
        self._yield()
        self._scratch.mkdir(parents=True, exist_ok=True)
        free, needs = shutil.disk_usage(self._scratch).free, _ROOM * accepted.what.size_bytes
        if free < needs:
            raise ReplicatorError(f"no room to drill in {self._scratch}: {free:,} bytes are free, {needs:,} are wanted")
        rate = self.scrubbing.bytes_per_s if self.scrubbing is not None else None
        with pinned(self.repository, workload, accepted, reason="a drill", kind=self._pin):
            done = drill(
                self.repository,
                workload,
                accepted,
                self._scratch,
                self.verifier,
                progress=self._advance(rate, strict=True),
            )
        what = accepted.what
        self.drills += 1
        self.drills_failed += done.why is not None
        drilled = Drilled(
            at=self.repository.clock(), workload=workload, commit=str(what.id()), step=what.step, ok=done.why is None,
            reason=done.why, seconds=round(done.seconds, 3), size_bytes=done.size_bytes,
        )  # fmt: skip
        said = [
            f"{name} {each.facts.commit} (step {each.facts.step}): {', '.join(each.why)}"
            for each, name in self._risks(names)[:_NEXT]
        ]
        self._know(Known(since=self._known.since, drilled=drilled, next_=said))
        say = _log.info if done.why is None else _log.error
        say("drilled", repository=self.repository.name, **drilled.model_dump(exclude={"at"}))

    def _know(self, known: Known) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "known.json", known.model_dump_json().encode(), mode=0o600)
        self._known = known

    def _repair(self) -> None:
        """Put back from peers what is known to be damaged: by scrubbing, by a drill, by whoever verifies here."""
        if self.scrubbing is None or not self.scrubbing.repair or self._place is None:
            return
        seen = self.damage_seen() + self.drills_failed
        fresh = self._place.damaged.keys() - self.left.keys() or seen > self._damage_handled
        if not fresh and (not self.left or time.monotonic() - self._repair_at < _AGAIN_S):
            return
        self._yield()
        done = repair(
            self.repository, self.peers, self.verifier, suspected=self._place.damaged, progress=self._advance(None)
        )
        self._repair_at, self._damage_handled = time.monotonic(), seen
        self.repaired += len(done.repaired) + len(done.renewed)
        self.left = {**done.left, **done.lost}
        well = {key: why for key, why in self._place.damaged.items() if key in done.left}
        self._place = self._place.model_copy(update={"damaged": well})
        save(self.folder / "scrub.json", self._place)
        for key, how in {**done.repaired, **done.renewed}.items():
            _log.warning("repaired", repository=self.repository.name, object=key, how=how)
        for key, why in self.left.items():
            _log.error("not repaired", repository=self.repository.name, object=key, why=why)

    def _yields(self) -> bool:
        return self._stop.is_set() or self.held() is not None

    def _yield(self) -> None:
        if self._yields():
            raise Preempted

    def _advance(self, rate: float | None, *, strict: bool = False) -> Callable[[int], None]:
        """Keeps what was read below a rate, over all threads; with `strict` it ends what is under way."""
        lock = threading.Lock()
        free_at = time.monotonic()

        def advance(size_bytes: int) -> None:
            nonlocal free_at
            if rate is not None:
                with lock:
                    free_at = max(free_at, time.monotonic()) + size_bytes / rate
                    until = free_at
                while not self._yields() and (left := until - time.monotonic()) > 0:
                    self._stop.wait(min(left, 0.2))
            if strict:
                self._yield()

        return advance

    def document(self) -> dict[str, object]:
        """What the status file says of it."""
        return {
            "paused": self.held(), "trouble": self.trouble, "scrub": self._scrub_document(),
            "drill": self._drill_document(),
            "repair": {"repaired": self.repaired, "left": self.left},
        }  # fmt: skip

    def _scrub_document(self) -> dict[str, object] | None:
        wanted, place = self.scrubbing, self._place
        if wanted is None or place is None:
            return None
        return {
            "every_s": wanted.every_s, "round": place.round, "began_at": place.began_at or None,
            "ended_at": place.ended_at, "read_bytes": place.read_bytes, "total_bytes": self.total_bytes,
            "damaged": place.damaged, "overdue": self.scrub_overdue,
            "too_slow": wanted.bytes_per_s is not None and wanted.bytes_per_s < least_rate(self.total_bytes, wanted.every_s),
        }  # fmt: skip

    def _drill_document(self) -> dict[str, object] | None:
        if self.drilling is None:
            return None
        last = None if self._known.drilled is None else self._known.drilled.model_dump(mode="json")
        return {
            "every_s": self.drilling.every_s, "last": last, "overdue": self.drill_overdue, "next": self._known.next_,
        }  # fmt: skip

    @property
    def scrub_overdue(self) -> bool:
        wanted, place = self.scrubbing, self._place
        if wanted is None or place is None:
            return False
        return scrub_overdue(place, now=self.repository.clock(), every_s=wanted.every_s)

    @property
    def drill_overdue(self) -> bool:
        now, wanted = self.repository.clock(), self.drilling
        return wanted is not None and drill_overdue(self._since, now=now, every_s=wanted.every_s)

    @property
    def place(self) -> Place | None:
        return self._place

    @property
    def drilled(self) -> Drilled | None:
        return self._known.drilled
