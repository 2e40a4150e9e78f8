"""Whether a runbook that was written is still what would be written now. Pure.

Expected times are left out: they change a little with every operation, and no step changes with them.
"""

from __future__ import annotations

import difflib
import re

UNKNOWN = "not measured yet"
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_ROUND = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_EXPECTED = re.compile(rf"within about \d+ (?:s|min|h|d)|{UNKNOWN}")
_FEW = 40


def about(seconds: float | None) -> str:
    """A time for paper, rounded up so far that it seldom changes: `within about 2 min`."""
    if seconds is None:
        return UNKNOWN
    rounded = next((each for each in _ROUND if each >= seconds), 86400 * -(-int(seconds) // 86400))
    size, unit = next((size, unit) for size, unit in _UNITS if rounded >= size and rounded % size == 0)
    return f"within about {rounded / size:g} {unit}"


def differences(written: str, now: str) -> list[str]:
    """Lines that are not the same, as a unified diff; none where it still holds."""
    return [
        line
        for line in difflib.unified_diff(_lasting(written), _lasting(now), "written", "now", n=0, lineterm="")
        if not line.startswith(("@@", "---", "+++"))
    ][:_FEW]


def _lasting(text: str) -> list[str]:
    return _EXPECTED.sub("…", text).splitlines()
