"""Which checkpoints make room when the spool is full: `skip` decides purely, `make_room` does it and says so.

Whole checkpoints go, the oldest first; the newest sound one of each workload, what is being sent, and what a save waits
for stay, whatever the limit says: a recovery point that is late is worth more than one that never comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from replicator.service.sizes import size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from replicator.service.spool import Entry
    from replicator.service.workload import Workload

_log = structlog.get_logger("replicator")


@dataclass(frozen=True, slots=True)
class Held:
    """An entry of the spool; `stays`: it must not go."""

    key: str
    size_bytes: int
    saved_at: float
    stays: bool


def skip(held: Sequence[Held], limit_bytes: int) -> list[str]:
    """Those that go so that the rest fits; all that may go, if even that is not enough."""
    over = total(held) - limit_bytes
    going: list[str] = []
    for each in sorted((each for each in held if not each.stays), key=lambda each: each.saved_at):
        if over <= 0:
            break
        going.append(each.key)
        over -= each.size_bytes
    return going


def total(held: Iterable[Held]) -> int:
    return sum(each.size_bytes for each in held)


def make_room(workloads: Sequence[Workload], limit_bytes: int) -> None:
    """Let go of what does not fit; what a destination lacks of it is marked there as skipped."""
    there: dict[str, tuple[Workload, Entry]] = {}
    held: list[Held] = []
    for workload in workloads:
        entries = workload.spool.entries()
        newest = next((entry for entry in entries if not entry.push.findings), None)
        sending = {shipper.sending for shipper in workload.shippers}
        for entry in entries:
            key = str(entry.folder)
            there[key] = workload, entry
            stays = entry is newest or (entry.push.term, entry.push.height) in sending or workload.acknowledges(entry)
            held.append(Held(key, size_of(entry), entry.push.saved_at, stays))
    going = skip(held, limit_bytes)
    for key in going:
        _skip(*there[key], limit_bytes)
    if total(each for each in held if each.key not in going) > limit_bytes:
        _log.error("the spool is over its limit", limit_bytes=limit_bytes, why="only what must stay is left in it")


def _skip(workload: Workload, entry: Entry, limit_bytes: int) -> None:
    for shipper in workload.shippers:
        name = shipper.repository.name
        if name not in entry.marks():
            entry.mark(name, "skipped: the spool was full")
            shipper.status.skipped += 1
            _log.error(
                "checkpoint skipped", workload=workload.watched.name, destination=name, step=entry.push.step,
                why=f"the spool is full ({limit_bytes} bytes)",
            )  # fmt: skip
    workload.spool.forget_delivered(shipper.repository.name for shipper in workload.shippers)
