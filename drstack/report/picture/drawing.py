"""The canvas: header, training above, who writes between, phases below, over one axis of time.

Only Agg is used, without pyplot: no window system and no state that outlives the call.
"""

# matplotlib types its keyword arguments only in part
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from drstack.report.picture.bands import draw_bands, draw_ribbon
from drstack.report.picture.checks import draw_checks
from drstack.report.picture.palette import INK, STYLE, short
from drstack.report.picture.phases import draw_phases
from drstack.report.picture.training import draw_training
from drstack.report.picture.window import window
from drstack.report.size import DPI, HEIGHT_PX, WIDTH_PX
from drstack.report.verdict import outcome

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

    from drstack.report.record import RecoveryRecord

_LEFT, _WIDTH = 0.058, 0.924
_TITLE_LETTERS = 92


def draw(record: RecoveryRecord, path: Path) -> None:
    """Write the picture as a PNG of WIDTH_PX by HEIGHT_PX."""
    from matplotlib import style  # noqa: PLC0415
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with style.context(["default", STYLE]):
        figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI)
        canvas = FigureCanvasAgg(figure)
        _compose(record, figure)
        canvas.print_png(str(path))


def _compose(record: RecoveryRecord, figure: Figure) -> None:
    shown = window(record)
    figure.text(_LEFT, 0.964, short(outcome(record), _TITLE_LETTERS), size=20, weight="bold", color=INK, va="center")
    above = figure.add_axes((_LEFT, 0.464, _WIDTH, 0.4))
    between = figure.add_axes((_LEFT, 0.428, _WIDTH, 0.032), sharex=above)
    below = figure.add_axes((_LEFT, 0.076, _WIDTH, 0.348), sharex=above)
    above.set_xlim(shown.left_s / shown.unit_s, shown.right_s / shown.unit_s)
    handles = draw_training(record, shown, above)
    draw_bands(record, shown, above, below)
    draw_ribbon(record, shown, between)
    draw_phases(record, shown, below)
    draw_checks(record, below)
    _legend(handles, figure)


def _legend(handles: list[Artist], figure: Figure) -> None:
    """One row above the axes, or two where one is too wide."""
    for rows in (1, 2):
        legend = figure.legend(
            handles=handles, loc="center left", bbox_to_anchor=(_LEFT - 0.006, 0.902), ncols=ceil(len(handles) / rows),
            frameon=False, fontsize=13, handletextpad=0.5, columnspacing=1.5, borderpad=0.2, labelspacing=0.2,
        )  # fmt: skip
        if rows == 2 or legend.get_window_extent().width <= _WIDTH * WIDTH_PX:  # noqa: PLR2004
            return
        legend.remove()
