"""Who restores goes first: when sending stops, because a recovery needs the link.

Two signs, either is enough. A pin that a restore or a promotion put into a log (it does so before it reads any pack), in
the own repository or in that of a destination; and a file that somebody keeps touching. Both run out by themselves, so that
a restore that was killed holds nothing up for good.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from replicator.repository.repository import Repository
    from replicator.service.uplink import Uplink

_log = structlog.get_logger("replicator")
RESTORES = ("read-", "promotion-")
"""How the names of their pins begin (repository/pinning, drstack's promotions)."""
FRESH_S = 60.0
"""A hold file that was not touched for so long holds nothing."""
LONGEST_S = 900.0
"""A pin that stays longer is taken for one that a killed restore left."""
_LOOK_S = 0.5


@dataclass(slots=True)
class Pins:
    """Pins of restores in one log or several. Those that were there at the first look are passed over."""

    timer: Callable[[], float]
    _since: dict[str, float] = field(default_factory=dict[str, float])
    _looked: set[str] = field(default_factory=set[str])

    def reason(self, workload: str, names: Iterable[str]) -> str | None:
        """Why sending is to stop, given the pins of a workload's log now."""
        now = self.timer()
        there = {f"{workload}/{name}" for name in names if name.startswith(RESTORES)}
        for name in there:
            self._since.setdefault(name, now if workload in self._looked else now - LONGEST_S)
        self._looked.add(workload)
        for name in [n for n in self._since if n.startswith(f"{workload}/") and n not in there]:
            del self._since[name]
        live = sorted(name for name in there if now - self._since[name] < LONGEST_S)
        return f"{live[0].partition('/')[0]} is being restored ({live[0].partition('/')[2]})" if live else None


def told_by(file: Path, now: float) -> str | None:
    """Why sending is to stop, if the file was touched lately (unix s); what it says, if anything."""
    try:
        age = now - file.stat().st_mtime
        said = file.read_text(errors="replace")[:200].strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    return (said or f"{file} is there") if age < FRESH_S else None


@dataclass(slots=True)
class PeerWatch:
    """Looks for restores in a destination's logs while something waits for it. `repository` is this thread's own."""

    repository: Repository
    workloads: Sequence[str]
    uplink: Uplink
    waits: Callable[[], bool]
    trouble: str | None = None

    def run(self, stop: threading.Event) -> None:
        pins = Pins(time.monotonic)
        self._look(pins)
        while not stop.wait(_LOOK_S):
            if self.waits():
                self._look(pins)

    def _look(self, pins: Pins) -> None:
        name = self.repository.name
        try:
            whys = [pins.reason(each, self.repository.log(each).view().pins) for each in self.workloads]
            self.trouble = None
        except (ReplicatorError, OSError) as error:  # the workers say that it is away; what is away restores nothing
            self.trouble = str(error)
            whys = []
        why = next((each for each in whys if each is not None), None)
        held = self.uplink.lanes[name].held
        if (why is not None) != held:
            _log.warning("sending stops" if why else "sending goes on", destination=name, why=why)
            self.uplink.hold(why, destination=name)
