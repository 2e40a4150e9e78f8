"""Whose turn it is to send: one large write at a time to each destination, the nearest recovery deadline first.

`choose` decides purely; `Uplink` makes threads wait for it. Small objects (log records, parts, receipts) never wait: a
commit or a seal costs no bandwidth, and must not queue behind what does.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from replicator.errors import StoreUnavailable
from replicator.service.pace import Pace, Sample, adjust

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

_LONGEST_WAIT_S = 0.2
_PACK_S = 0.4
"""A pack should take about so long: whoever pre-empts waits for one at most."""
_LEAST_PACK = 256 * 1024
_LARGEST_PACK = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Want:
    """A write that waits; `deadline_at` in unix seconds (infinite: no objective), `order` in which they came."""

    destination: str
    deadline_at: float
    order: int


@dataclass(frozen=True, slots=True)
class Lane:
    """The way to one destination. Times are the uplink's timer's.

    `free_at`: when its ceiling lets the next write begin; `floored_until`: up to when it has had its floor's share.
    """

    pace: Pace | None = None
    floor: float = 0.0
    busy: bool = False
    held: bool = False
    free_at: float = 0.0
    floored_until: float = 0.0
    answer_s: float | None = None
    rate_seen: float | None = None


def choose(
    waiting: Sequence[Want], lanes: Mapping[str, Lane], *, now: float, free_at: float, held: bool
) -> Want | None:
    """Who writes next; None if nobody may now. `free_at`: when the site's own ceiling lets a write begin.

    First those whose destination has not had its floor, then by deadline, then as they came.
    """
    if held or now < free_at:
        return None
    able = [each for each in waiting if _open(lanes[each.destination], now)]
    return min(
        able,
        key=lambda each: (not _below_floor(lanes[each.destination], now), each.deadline_at, each.order),
        default=None,
    )


def _open(lane: Lane, now: float) -> bool:
    return not lane.busy and not lane.held and now >= lane.free_at


def _below_floor(lane: Lane, now: float) -> bool:
    return lane.floor > 0 and lane.floored_until < now


def started(lane: Lane, size_bytes: int, now: float) -> Lane:
    """The lane while it carries a write of so many bytes."""
    takes = 0.0 if lane.pace is None else size_bytes / lane.pace.rate
    share = size_bytes / lane.floor if lane.floor > 0 else 0.0
    return replace(
        lane, busy=True, free_at=max(now, lane.free_at) + takes, floored_until=max(lane.floored_until, now - 1) + share
    )


def ended(lane: Lane, sample: Sample) -> Lane:
    """The lane after it; its pace adjusted to what was seen."""
    pace = None if lane.pace is None else adjust(lane.pace, replace(sample, answer_s=lane.answer_s))
    seen = 0.0 if sample.failed else sample.size_bytes / max(sample.seconds, 1e-6)
    return replace(lane, busy=False, pace=pace, rate_seen=seen)


def pack_bytes(lane: Lane) -> int:
    """How large a pack may be, so that whoever pre-empts need not wait long for it."""
    rates = [rate for rate in (lane.rate_seen, None if lane.pace is None else lane.pace.rate) if rate is not None]
    wanted = min(rates) * _PACK_S if lane.rate_seen is not None else 0.0
    return int(min(_LARGEST_PACK, max(_LEAST_PACK, wanted)))


@dataclass(slots=True)
class Uplink:
    """A site's. `ceiling`: bytes per second for all destinations together; None: unbounded."""

    timer: Callable[[], float]
    ceiling: float | None = None
    lanes: dict[str, Lane] = field(default_factory=dict[str, Lane])
    _waiting: list[Want] = field(default_factory=list[Want])
    _turn: threading.Condition = field(default_factory=threading.Condition)
    _free_at: float = 0.0
    _order: int = 0
    _held: str | None = None
    _closed: bool = False

    @property
    def held(self) -> str | None:
        """Why nothing large is sent anywhere; None if it is."""
        return self._held

    def hold(self, why: str | None, *, destination: str | None = None) -> None:
        """Begin no large write until told None: to one destination, or to any."""
        with self._turn:
            if destination is None:
                self._held = why
            else:
                self.lanes[destination] = replace(self.lanes[destination], held=why is not None)
            self._turn.notify_all()

    def close(self) -> None:
        """Whoever waits gets StoreUnavailable: the service ends."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()

    def answered(self, destination: str, seconds: float) -> None:
        """A small request took so long."""
        with self._turn:
            self.lanes[destination] = replace(self.lanes[destination], answer_s=seconds)

    @contextmanager
    def turn(self, destination: str, size_bytes: int, deadline_at: float) -> Generator[None]:
        """Wait for the turn of a large write, which the block is. StoreUnavailable when the uplink is closed."""
        self._wait(destination, size_bytes, deadline_at)
        began = self.timer()
        failed = True
        try:
            yield
            failed = False
        finally:
            with self._turn:
                sample = Sample(size_bytes, self.timer() - began, failed=failed)
                self.lanes[destination] = ended(self.lanes[destination], sample)
                self._turn.notify_all()

    def _wait(self, destination: str, size_bytes: int, deadline_at: float) -> None:
        with self._turn:
            self._order += 1
            want = Want(destination, deadline_at, self._order)
            self._waiting.append(want)
            try:
                while True:
                    now = self.timer()
                    held = self._held is not None
                    if self._closed:
                        raise StoreUnavailable(f"{destination}: the service ends; the rest is sent at its next start")
                    if choose(self._waiting, self.lanes, now=now, free_at=self._free_at, held=held) == want:
                        break
                    self._turn.wait(self._until(destination, now))
                self.lanes[destination] = started(self.lanes[destination], size_bytes, now)
                if self.ceiling is not None:
                    self._free_at = max(now, self._free_at) + size_bytes / self.ceiling
            finally:
                self._waiting.remove(want)
                self._turn.notify_all()

    def _until(self, destination: str, now: float) -> float:
        free_at = max(self._free_at, self.lanes[destination].free_at)
        return min(_LONGEST_WAIT_S, free_at - now) if free_at > now else _LONGEST_WAIT_S
