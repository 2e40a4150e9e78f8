"""Training step over time, a line per site, with what became of each checkpoint."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.report.picture.lines import lines
from drstack.report.picture.palette import ALARM, GRID, SOFT, colour, short

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from drstack.report.picture.window import Window
    from drstack.report.record import CheckpointMark, RecoveryRecord

_HEAD, _FOOT, _FOOT_OF_TWO = 0.42, 0.2, 0.32
"""Room for words above and below the steps, as shares of the steps' own height; below, one line of words or two."""
_DOTS = 150
"""With more steps than this in sight, a dot for each would be a thick line."""
_NAME = 14
_MARKER = 11.5


def draw_training(record: RecoveryRecord, shown: Window, axes: Axes) -> list[Artist]:
    """Draw and return the handles of a legend that names exactly what is in sight."""
    _steps_axis(record, shown, axes)
    handles: dict[str, Artist] = {}
    for site in record.sites:
        _draw_site(record, site, shown, axes, handles)
    for kind in ("saved", "committed", "torn", "restored"):
        for mark in record.checkpoints:
            if mark.kind == kind and shown.shows(mark.at - record.failure.at):
                _draw_checkpoint(record, mark, shown, axes, handles)
    return list(handles.values())


def _steps_axis(record: RecoveryRecord, shown: Window, axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    low, high = shown.lowest_step, shown.highest_step
    tall = max(high - low, 3)
    falls_low = record.recovery_step is not None and record.recovery_step - low < 0.15 * tall
    axes.set_ylim(low - (_FOOT_OF_TWO if falls_low else _FOOT) * tall, low + tall + _HEAD * tall)
    ticks = MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]).tick_values(low, low + tall)
    axes.set_yticks([tick for tick in ticks if low - 0.1 * tall <= tick <= low + tall], minor=False)
    axes.text(0.004, 0.955, "training step", transform=axes.transAxes, size=13.5, color=SOFT, va="center")
    axes.yaxis.set_major_formatter(lambda step, _: f"{step:.0f}")
    axes.grid(visible=True, axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def _draw_site(record: RecoveryRecord, site: str, shown: Window, axes: Axes, handles: dict[str, Artist]) -> None:
    name = short(site, _NAME)
    labels = {"kept": name, "lost": "lost work", "void": f"{name} after its failure"}
    found = lines(record, site)
    dots = sum(shown.shows(since_s) for line in found for since_s, _ in line.points) <= _DOTS
    for line in found:
        void = line.fate == "void"
        (drawn,) = axes.plot(
            [since_s / shown.unit_s for since_s, _ in line.points],
            [step for _, step in line.points],
            color=SOFT if void else colour(record, site),
            linestyle={"kept": "-", "lost": (0, (1.6, 1.4)), "void": ":"}[line.fate],
            linewidth=1.5 if void else 2.6,
            marker="." if dots or len(line.points) == 1 else "",
            markersize=7,
            zorder=3,
        )
        label = labels[line.fate]
        if label not in handles and any(shown.shows(since_s) for since_s, _ in line.points):
            drawn.set_label(label)
            handles[label] = drawn


def _draw_checkpoint(
    record: RecoveryRecord, mark: CheckpointMark, shown: Window, axes: Axes, handles: dict[str, Artist]
) -> None:
    own = colour(record, mark.site)
    where = short(mark.repository or "", _NAME)
    match mark.kind:
        case "saved":
            label, marker, edge, face, size = "saved", "o", own, "white", _MARKER
        case "committed" if mark.repository == record.writer_now:
            label, marker, edge, face, size = f"committed to {where}", "o", own, own, _MARKER
        case "committed":
            label, marker, edge, face, size = f"committed to {where or mark.site}", "d", own, "white", _MARKER - 3
        case "torn":
            label, marker, edge, face, size = "torn, not committed", "x", ALARM, ALARM, _MARKER
        case "restored":
            label, marker, edge, face, size = f"restored on {short(mark.site, _NAME)}", "D", own, "white", _MARKER - 1
    (drawn,) = axes.plot(
        [(mark.at - record.failure.at) / shown.unit_s], [mark.step], linestyle="none", marker=marker, markersize=size,
        markerfacecolor=face, markeredgecolor=edge, markeredgewidth=3 if mark.kind == "torn" else 2.2, zorder=5,
    )  # fmt: skip
    if label not in handles:
        drawn.set_label(label)
        handles[label] = drawn
