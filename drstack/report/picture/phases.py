"""Bars of the phases, first on top, each with its name and length beside it; below them what was refused later."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.report.durations import spoken
from drstack.report.picture.labels import in_data, span_px, width_px
from drstack.report.picture.palette import ALARM, INK, SOFT, colour, short
from drstack.report.record import PHASES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from drstack.report.picture.window import Window
    from drstack.report.record import RecoveryRecord

_GAP_PX = 8
_LEAST_PX = 5
"""A phase of a millisecond is still a bar that can be seen."""
_LEAST_ROWS = 8


def draw_phases(record: RecoveryRecord, shown: Window, axes: Axes) -> None:
    ordered = sorted(record.phases, key=lambda each: (each.began_at, PHASES.index(each.name)))
    rows = max(len(ordered) + bool(record.refused), _LEAST_ROWS)
    axes.set_ylim(rows - 0.4, -0.6)
    hue = colour(record, record.writer_now)
    for row, phase in enumerate(ordered):
        middle_s = (phase.began_at + phase.ended_at) / 2 - record.failure.at
        begins = (phase.began_at - record.failure.at) / shown.unit_s
        ends = begins + max(phase.seconds / shown.unit_s, in_data(axes, _LEAST_PX))
        axes.barh(row, ends - begins, left=begins, height=0.62, color=hue, linewidth=0, zorder=3,
                  alpha=0.55 if middle_s > record.rto_s else 1.0)  # fmt: skip
        _beside(axes, (begins, ends), row, f"{phase.name}  {spoken(phase.seconds)}", INK)
    if record.refused:
        _draw_refused(record, shown, axes, len(ordered))
    axes.set_yticks([])
    axes.text(-in_data(axes, _GAP_PX), 0, "phases", size=13.5, color=SOFT, ha="right", va="center")
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=9, steps=[1, 2, 5, 10])
    axes.set_xlabel(f"{shown.unit} since the failure")


def _beside(axes: Axes, bar: tuple[float, float], row: float, words: str, ink: str) -> None:
    """Words right of a bar, else left of it, else on it."""
    begins, ends = bar
    gap = in_data(axes, _GAP_PX)
    text = axes.text(ends + gap, row, words, size=13.5, color=ink, va="center", zorder=6)
    left, right = axes.get_xlim()
    needs = width_px(text) + 2 * _GAP_PX
    if needs <= span_px(axes, ends, right):
        return
    on_it = needs > span_px(axes, left, begins)
    text.set_x(ends - gap if on_it else begins - gap)
    text.set_horizontalalignment("right")
    text.set_color("white" if on_it else ink)


def _draw_refused(record: RecoveryRecord, shown: Window, axes: Axes, row: int) -> None:
    """Offers by a dead site, all on one row. Those later than the picture stand at its edge, with an arrow."""
    right = axes.get_xlim()[1]
    edge = right - in_data(axes, 3 * _GAP_PX)
    times = [(each.at - record.failure.at) / shown.unit_s for each in record.refused]
    seen = [min(max(at, axes.get_xlim()[0]), edge) for at in times]
    axes.plot(seen, [row] * len(seen), linestyle="none", marker="X", markersize=12, color=ALARM, zorder=5,
              markeredgecolor="white")  # fmt: skip
    sites = ", ".join(dict.fromkeys(short(each.site, 14) for each in record.refused))
    words = f"refused: {len(seen)} offer{'' if len(seen) == 1 else 's'} by {sites} after its return"
    late = max(each.at for each in record.refused) - record.failure.at
    if late > shown.right_s:
        words += f", up to {spoken(late)} later →"
    gap = in_data(axes, _GAP_PX)
    _beside(axes, (min(seen) - gap, max(seen) + gap), row, words, ALARM)
