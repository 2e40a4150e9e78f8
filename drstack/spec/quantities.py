"""Durations, sizes and rates as people write them: `45m`, `16MiB`, `10Gbit/s`.

Decides which spellings are read and which one is written. Invariant: what `format_*` writes, `parse_*` reads back
to the same number. A plain number is in the base unit: seconds, bytes, bits per second.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
MILLISECONDS = 1_000
LONGEST_S = 36_500 * SECONDS["d"]
BYTES = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15} | {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "PiB": 2**50,
}
BITS_PER_SECOND = {"": 1, "bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9, "Tbit/s": 10**12}
LARGEST = 2**63 - 1

_NUMBER = r"[0-9]{1,400}(?:\.[0-9]{1,400})?"
_DURATION = re.compile(
    rf"(?=[0-9])(?:({_NUMBER})d)?(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?"
)
_AMOUNT = re.compile(rf"({_NUMBER}) ?([A-Za-z/]*)")


def parse_duration(text: object) -> float:
    """Seconds, from `1d`, `2h`, `45m`, `30s`, `250ms`, `1h30m`, or a number of seconds.

    Raises ValueError, whose text says what is expected.
    """
    expected = "a duration such as 30s, 45m, 2h or 1d, at most 36500d"
    if isinstance(text, str):
        bare = text.strip()
        found = _DURATION.fullmatch(f"{bare}s" if re.fullmatch(_NUMBER, bare) else bare)
        if found is None:
            raise ValueError(expected)
        *whole, thousandths = (Decimal(part or 0) for part in found.groups())
        exact = sum((n * unit for n, unit in zip(whole, SECONDS.values(), strict=True)), Decimal())
        seconds = float(exact + thousandths / MILLISECONDS)
    elif isinstance(text, int | float) and not isinstance(text, bool) and 0 <= text <= LONGEST_S:
        seconds = float(text)
    else:
        raise ValueError(expected)
    if seconds > LONGEST_S:
        raise ValueError(expected)
    return seconds


def format_duration(seconds: float) -> str:
    if seconds == 0:
        return "0s"
    if seconds == math.floor(seconds):
        unit = next(name for name, length in SECONDS.items() if seconds % length == 0)
        return f"{int(seconds) // SECONDS[unit]}{unit}"
    thousandths = round(seconds * MILLISECONDS)
    if thousandths / MILLISECONDS == seconds:
        return f"{thousandths}ms"
    return f"{Decimal(repr(seconds)):f}s"


def parse_size(text: object) -> int:
    """Bytes, from `16MiB`, `2GB` or a number. Raises ValueError, whose text says what is expected."""
    return _amount(text, BYTES, "a size such as 500MB, 16GiB or 2TB")


def format_size(size_bytes: int) -> str:
    return _spelled(size_bytes, BYTES)


def parse_rate(text: object) -> int:
    """Bits per second, from `10Gbit/s` or a number. Raises ValueError, whose text says what is expected."""
    return _amount(text, BITS_PER_SECOND, "a rate above 0, such as 100Mbit/s or 10Gbit/s", least=1)


def format_rate(link_bps: int) -> str:
    return _spelled(link_bps, BITS_PER_SECOND)


def _amount(text: object, units: dict[str, int], expected: str, *, least: int = 0) -> int:
    if isinstance(text, int) and not isinstance(text, bool):
        amount = text
    else:
        found = _AMOUNT.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None or found[2] not in units:
            raise ValueError(expected)
        amount = int(Decimal(found[1]) * units[found[2]])
    if not least <= amount <= LARGEST:
        raise ValueError(expected)
    return amount


def _spelled(amount: int, units: dict[str, int]) -> str:
    named = [(size, unit) for unit, size in units.items() if unit and amount % size == 0 and amount >= size]
    size, unit = max(named, default=(1, next(unit for unit in units if unit)))
    return f"{amount // size}{unit}"
