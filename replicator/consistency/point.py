"""Taking a point: quiesce every system in order, keep each, release all in reverse whatever happened.

Invariant: a point is made whole or not at all, and after it nothing that was quiesced stays so without being named. An
error of a system never reaches the training.
"""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.consistency.system import Kept, System, within
from replicator.errors import ReplicatorError
from replicator.model import Participant, Point
from replicator.versions.secrets import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = logging.getLogger("replicator.consistency")
FOLDER = "point"
"""Its name beside the checkpoint."""


@dataclass(frozen=True, slots=True)
class TakenPoint:
    """What became of it; `folder` holds what was kept, None if nothing was."""

    point: Point
    folder: Path | None = None

    def move_to(self, beside: Path) -> None:
        """Hand what was kept over to the checkpoint that it belongs to."""
        if self.folder is not None:
            beside.mkdir(parents=True, exist_ok=True)
            shutil.move(self.folder, beside / FOLDER)

    def discard(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(slots=True)
class _Progress:
    system: System
    told: str
    ok: bool = False
    facts: dict[str, str] | None = None


def not_made(reason: str, paused_s: float = 0.0) -> TakenPoint:
    """For the record: the ranks did not meet, or nobody may stand still now."""
    return TakenPoint(Point(made=False, reason=scrub(reason), paused_s=round(paused_s, 3)))


def take_point(systems: Sequence[System], into: Path, *, clock: Callable[[], float] = time.monotonic) -> TakenPoint:
    """Everything to its own folder below `into`, which must be absent. Never raises for a system's fault."""
    began = clock()
    began_with: list[_Progress] = []
    reason: str | None = None
    try:
        into.mkdir(parents=True)
        for system in systems:
            began_with.append(_Progress(system, "not reached"))
            _step(began_with[-1], "quiesce", lambda system=system: _quiesced(system))
        for each in began_with:
            folder = into / each.system.name
            folder.mkdir()
            kept = _step(each, "keep", lambda each=each, folder=folder: each.system.keep(folder))
            each.ok, each.told, each.facts = True, kept.told, kept.facts
    except (ReplicatorError, OSError, ValueError) as error:
        reason = scrub(f"{began_with[-1].system.name}: {error}" if began_with and not began_with[-1].ok else str(error))
    finally:
        _release(began_with)
    if reason is not None:
        shutil.rmtree(into, ignore_errors=True)
        log.error("no consistent point: %s", reason)
    took = round(clock() - began, 3)
    point = Point(
        made=reason is None, reason=reason, paused_s=took,
        participants=tuple(
            Participant(name=e.system.name, kind=e.system.kind, ok=e.ok, told=scrub(e.told), facts=e.facts or {})
            for e in began_with
        ),
    )  # fmt: skip
    return TakenPoint(point, into if reason is None else None)


def _quiesced(system: System) -> Kept:
    system.quiesce()
    return Kept("quiesced")


def _step(each: _Progress, verb: str, work: Callable[[], Kept]) -> Kept:
    try:
        return within(each.system.timeout_s, f"{verb} of {each.system.name}", work)
    except Exception as error:
        each.told = f"{verb} failed: {error}"
        raise ReplicatorError(f"{verb} failed: {error}") from error


def _release(began_with: Sequence[_Progress]) -> None:
    for each in reversed(began_with):
        try:
            within(each.system.timeout_s, f"release of {each.system.name}", lambda each=each: _released(each.system))
        except Exception as error:  # noqa: BLE001 - the others must be released too; it is said, and recorded
            log.error("%s is NOT RELEASED: %s", each.system.name, scrub(str(error)))  # noqa: TRY400
            each.ok, each.told = False, f"{each.told}; NOT RELEASED: {error}"


def _released(system: System) -> Kept:
    system.release()
    return Kept("released")
