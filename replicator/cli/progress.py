"""How far a long run is, on stderr: a bar at a terminal, else a line every few seconds, each with what is left."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

EVERY_S = 5.0
_WINDOW_S = 30.0


class Meter:
    """Bytes done of `total`, and when the rest will be, by the rate of the last half minute. For any thread."""

    def __init__(self, total: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)])
        self.total = total
        self.done = 0

    def add(self, count: int) -> None:
        with self._lock:
            self.done += count
            now = self._clock()
            self._seen.append((now, self.done))
            while len(self._seen) > 2 and self._seen[1][0] < now - _WINDOW_S:  # noqa: PLR2004
                self._seen.popleft()

    def rate_bps(self) -> float:
        """Bytes a second."""
        with self._lock:
            began, before = self._seen[0]
            elapsed = self._clock() - began
            return (self.done - before) / elapsed if elapsed > 0 else 0.0

    def eta_s(self) -> float | None:
        """Seconds until all is done; None while nothing moves."""
        rate = self.rate_bps()
        return max(0, self.total - self.done) / rate if rate > 0 else None

    def __str__(self) -> str:
        if not self.total:
            return f"{self.done:,} bytes, {self.rate_bps() / 1e6:.1f} MB/s"
        share = 100.0 * self.done / self.total
        eta = self.eta_s()
        left = "no estimate yet" if eta is None else f"about {eta:.0f} s left"
        return f"{share:.0f} %, {self.done:,} of {self.total:,} bytes, {self.rate_bps() / 1e6:.1f} MB/s, {left}"


@contextmanager
def progress(what: str, total: int) -> Generator[Callable[[int], None]]:
    """Gives what to call with bytes done; `total` 0: not known. Says nothing for what ends within EVERY_S without a terminal."""
    if sys.stderr.isatty():
        with _bar(what, total) as advance:
            yield advance
        return
    meter = Meter(total)
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(EVERY_S):
            sys.stderr.write(f"{what}: {meter}\n")
            sys.stderr.flush()

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield meter.add
    finally:
        ended.set()
        teller.join()


@contextmanager
def _bar(what: str, total: int) -> Generator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total or None)
        yield lambda count: bar.advance(task, count)
