"""The recovery timeline: one picture that says what was lost, what was proved and how long each phase took.

Decided without matplotlib: `window` (what is shown) and `lines` (which points). The other modules draw.
"""

from drstack.report.picture.drawing import draw

__all__ = ["draw"]
