"""What makes the recovery trustworthy, as a short list in the picture: reference, fences, late offers.

Invariant: a tick stands only before what was shown; what is missing or assumed gets a mark of its own.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from drstack.report.picture.palette import ALARM, GOOD, INK, SOFT, short
from drstack.report.verdict import unfenced

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from drstack.report.record import RecoveryRecord

Mark = Literal["✓", "!", "✕"]
_INK = {"✓": GOOD, "!": ALARM, "✕": ALARM}
_LETTERS, _LINES = 36, 9
_NAME = 20


@dataclass(frozen=True, slots=True)
class Check:
    mark: Mark
    words: str


def checks(record: RecoveryRecord) -> tuple[Check, ...]:
    found = [_reference(record)]
    for fence in record.fences:
        proven = fence.grade == "proven"
        words = f"fence of {short(fence.site, _NAME)}: {fence.grade}"
        found.append(Check("✓", words) if proven else Check("!", f"{words}, not proven"))
    if unfenced(record):
        found.append(Check("!", f"no fence of {short(record.failure.site, _NAME)} recorded"))
    if record.refused:
        sites = ", ".join(dict.fromkeys(short(each.site, _NAME) for each in record.refused))
        plural = "" if len(record.refused) == 1 else "s"
        found.append(Check("✓", f"{len(record.refused)} late offer{plural} by {sites} refused"))
    return tuple(found)


def draw_checks(record: RecoveryRecord, axes: Axes) -> None:
    """Down the left of the lower axes, where no phase can be: all of them begin at the failure or later."""
    left, row = 0.004, 0.0
    for check in checks(record):
        for number, line in enumerate(textwrap.wrap(check.words, _LETTERS, break_on_hyphens=False)):
            if row >= _LINES:
                return
            y = 0.8 - row * 0.085
            if number == 0:
                axes.text(left, y, check.mark, transform=axes.transAxes, size=15, weight="bold", va="center",
                          color=_INK[check.mark])  # fmt: skip
            axes.text(left + 0.017, y, line, transform=axes.transAxes, size=13.5, va="center",
                      color=INK if check.mark == "✓" else ALARM)  # fmt: skip
            row += 1.0
        row += 0.35
    axes.text(left, 0.965, "what is known", transform=axes.transAxes, size=13.5, va="center", color=SOFT)


def _reference(record: RecoveryRecord) -> Check:
    held = record.reference
    if held is None or held.steps_compared == 0:
        return Check("!", "resumed run not compared with a reference")
    if held.match:
        return Check("✓", f"resumed run equals {held.against} bit for bit over {held.steps_compared} steps")
    first = "" if held.first_difference is None else f", at step {held.first_difference} first"
    return Check("✕", f"resumed run differs from {held.against}{first}")
