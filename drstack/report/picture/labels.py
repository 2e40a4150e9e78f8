"""Words put where they fit, by their measured size in pixels."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text


def width_px(text: Text) -> float:
    return float(text.get_window_extent().width)


def span_px(axes: Axes, left: float, right: float) -> float:
    """How many pixels the stretch from `left` to `right` of the x axis takes."""
    low, high = axes.get_xlim()
    return (right - left) / (high - low) * float(axes.get_window_extent().width)


def in_data(axes: Axes, pixels: float) -> float:
    """So many pixels along x, in the axis' unit."""
    low, high = axes.get_xlim()
    return pixels / float(axes.get_window_extent().width) * (high - low)
