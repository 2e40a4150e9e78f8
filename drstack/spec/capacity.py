"""How much of a site stands ready: a share of its full size, or a number of slots.

Decides how a share becomes slots. Invariant: a share above nothing is at least one slot, and never more than the
site has.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

EXPECTED = "a share such as 20%, or a number of slots such as 2"
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")


@dataclass(frozen=True, slots=True)
class Capacity:
    amount: float
    unit: Literal["percent", "slots"]

    def of(self, slots: int) -> int:
        """Slots that stand ready at a site of `slots`."""
        if self.unit == "slots":
            return min(int(self.amount), slots)
        return math.ceil(slots * Decimal(str(self.amount)) / 100)

    def __str__(self) -> str:
        return f"{self.amount:.10g}%" if self.unit == "percent" else str(int(self.amount))


def parse_capacity(text: object) -> Capacity:
    """Raises ValueError, whose text says what is expected."""
    if isinstance(text, Capacity):
        return text
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text <= 1_000_000:  # noqa: PLR2004
        return Capacity(text, "slots")
    found = _SHARE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or float(found[1]) > 100:  # noqa: PLR2004
        raise ValueError(EXPECTED)
    return Capacity(float(found[1]), "percent")
