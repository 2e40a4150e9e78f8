"""The failure, what was lost before it (RPO), the time until work went on (RTO), and who wrote when."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.report.durations import spoken
from drstack.report.picture.labels import in_data, span_px, width_px
from drstack.report.picture.palette import ALARM, BACK_BAND, IDLE, INK, LOST_BAND, SOFT, colour, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from drstack.report.picture.window import Window
    from drstack.report.record import RecoveryRecord

_GAP_PX = 10
_ARROW_PX = 32
"""The least height that an arrow with words beside it needs."""
_BRACKET, _OBJECTIVE, _VALUE = 0.79, 0.865, 0.955
"""Heights in the upper axes, as shares: the bracket, and the two lines of words on it."""


def draw_bands(record: RecoveryRecord, shown: Window, above: Axes, below: Axes) -> None:
    lost, back = record.rpo_s / shown.unit_s, record.rto_s / shown.unit_s
    above.axvspan(-lost, 0, color=LOST_BAND, linewidth=0, zorder=0)
    for axes in (above, below):
        axes.axvspan(0, back, color=BACK_BAND, linewidth=0, zorder=0)
        axes.axvline(0, color=ALARM, linewidth=2.5, zorder=4)
    was, now = colour(record, record.writer_before), colour(record, record.writer_now)
    _bracket(above, (-lost, 0), "RPO", measured_s=record.rpo_s, objective_s=record.rpo_objective_s, hue=was)
    _bracket(above, (0, back), "RTO", measured_s=record.rto_s, objective_s=record.rto_objective_s, hue=now)
    above.annotate(
        short(f"{record.failure.how} at step {record.failure.step}", 36), (0, 0), (_GAP_PX, 10),
        xycoords=("data", "axes fraction"), textcoords="offset pixels", color=ALARM, weight="bold", size=14,
        va="bottom", zorder=6,
    )  # fmt: skip
    if record.recovery_step is not None:
        _recovery_point(record, record.recovery_step, (-lost, back), above)


def _bracket(
    axes: Axes, span: tuple[float, float], name: str, *, measured_s: float, objective_s: float, hue: str
) -> None:
    left, right = span
    met = measured_s <= objective_s
    axes.annotate(
        "", (left, _BRACKET), (right, _BRACKET), xycoords=("data", "axes fraction"),
        arrowprops={"arrowstyle": "|-|,widthA=.35,widthB=.35", "color": hue, "lw": 2.2, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    words = (
        (_VALUE, f"{name} {spoken(measured_s)}", 17, "bold", INK),
        (_OBJECTIVE, f"objective {spoken(objective_s)}: {'met' if met else 'MISSED'}", 13, "normal" if met else "bold",
         SOFT if met else ALARM),
    )  # fmt: skip
    texts = [
        axes.text((left + right) / 2, y, text, size=size, weight=weight, color=ink, ha="center", va="center",
                  transform=axes.get_xaxis_transform(), zorder=6)
        for y, text, size, weight, ink in words
    ]  # fmt: skip
    if max(width_px(each) for each in texts) + 2 * _GAP_PX > span_px(axes, left, right):
        for each in texts:
            each.set_x(in_data(axes, -_GAP_PX if name == "RPO" else _GAP_PX))
            each.set_horizontalalignment("right" if name == "RPO" else "left")


def _recovery_point(record: RecoveryRecord, step: int, span: tuple[float, float], axes: Axes) -> None:
    """The level to which the run fell back, and how far, in words where the band of RTO or RPO has the room."""
    left, right = span
    axes.plot([left, right], [step, step], color=SOFT, linestyle=(0, (4, 3)), linewidth=1.4, zorder=2)
    level = axes.annotate(
        f"recovery point: step {step}", (0, step), (_GAP_PX, -12), textcoords="offset pixels", color=INK, size=13,
        va="top", zorder=6,
    )  # fmt: skip
    if width_px(level) + 2 * _GAP_PX > span_px(axes, 0, right):
        level.set_x(-_GAP_PX)
        level.set_horizontalalignment("right")
        level.set_visible(width_px(level) + 3 * _GAP_PX < span_px(axes, left, 0))
    if record.lost_steps > 0:
        _fall(record, step, right, axes)


def _fall(record: RecoveryRecord, step: int, right: float, axes: Axes) -> None:
    """An arrow from the failure's step down to the recovery point; where that is too low for one, words above it."""
    low, high = axes.get_ylim()
    tall = record.lost_steps / (high - low) * float(axes.get_window_extent().height) >= _ARROW_PX
    x = in_data(axes, 2.2 * _GAP_PX) if tall else 0.0
    words = axes.annotate(
        f"{record.lost_steps} step{'' if record.lost_steps == 1 else 's'} lost",
        (x, (step + record.failure.step) / 2 if tall else step), (_GAP_PX, 0 if tall else 14),
        textcoords="offset pixels", color=ALARM, size=14, weight="bold", va="center" if tall else "bottom", zorder=6,
    )  # fmt: skip
    words.set_visible(width_px(words) + 4 * _GAP_PX < span_px(axes, 0, right))
    if tall and words.get_visible():
        axes.annotate(
            "", (x, step), (x, record.failure.step),
            arrowprops={"arrowstyle": "-|>", "color": ALARM, "lw": 2, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 16},
        )  # fmt: skip


def draw_ribbon(record: RecoveryRecord, shown: Window, axes: Axes) -> None:
    """Who writes: the old writer, nobody, the new one."""
    left, right = axes.get_xlim()
    back = record.rto_s / shown.unit_s
    for begins, ends, text, hue in (
        (left, 0.0, f"{short(record.writer_before, 20)} trains", colour(record, record.writer_before)),
        (0.0, back, "no site trains", IDLE),
        (back, right, f"{short(record.writer_now, 20)} trains", colour(record, record.writer_now)),
    ):
        axes.axvspan(begins, ends, color=hue, linewidth=0)
        said = axes.text((begins + ends) / 2, 0.46, text, color="white" if hue != IDLE else INK, size=13,
                         weight="bold", ha="center", va="center", transform=axes.get_xaxis_transform())  # fmt: skip
        said.set_visible(width_px(said) + _GAP_PX < span_px(axes, begins, ends))
    axes.axvline(0, color=ALARM, linewidth=2.5)
    axes.set_axis_off()
