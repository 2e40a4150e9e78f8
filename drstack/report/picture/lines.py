"""A site's steps as lines: a new one wherever the step number falls back, at the recovery point, and at the failure.

Work that was kept, work that was lost, and what a dead site did afterwards are told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from drstack.report.record import RecoveryRecord, StepMark

Fate = Literal["kept", "lost", "void"]


@dataclass(frozen=True, slots=True)
class Line:
    """Points (seconds since the failure, step) in order of time. `void`: done by the dead site after its failure."""

    fate: Fate
    points: tuple[tuple[float, int], ...]


def lines(record: RecoveryRecord, site: str) -> tuple[Line, ...]:
    done: list[tuple[Fate, list[tuple[float, int]]]] = []
    for mark in sorted((each for each in record.steps if each.site == site), key=lambda each: each.at):
        fate = _fate(record, mark)
        point = (mark.at - record.failure.at, mark.step)
        if done and mark.step > done[-1][1][-1][1] and fate == done[-1][0]:
            done[-1][1].append(point)
        elif done and mark.step > done[-1][1][-1][1] and fate == "lost":
            done.append((fate, [done[-1][1][-1], point]))
        else:
            done.append((fate, [point]))
    return tuple(Line(fate, tuple(points)) for fate, points in done)


def _fate(record: RecoveryRecord, mark: StepMark) -> Fate:
    if mark.site != record.failure.site:
        return "kept"
    if mark.at > record.failure.at:
        return "void"
    return "kept" if mark.step <= (record.recovery_step or 0) else "lost"
