"""Durations in the words that people use: two units at most, no more digits than matter."""

from __future__ import annotations

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def spoken(seconds: float) -> str:
    """`0 s`, `<1 ms`, `12 ms`, `3.2 s`, `60 s`, `12 min 5 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 0.9995:  # noqa: PLR2004
        return _brief(seconds)
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < _HOUR_S - 0.5:
        return _pair(round(seconds), _MINUTE_S, "min", "s")
    if seconds < 2 * _DAY_S - _MINUTE_S / 2:
        return _pair(round(seconds / _MINUTE_S), 60, "h", "min")
    return _pair(round(seconds / _HOUR_S), 24, "d", "h")


def _brief(seconds: float) -> str:
    if seconds <= 0:
        return "0 s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.0005 else "<1 ms"  # noqa: PLR2004


def _pair(amount: int, size: int, large: str, small: str) -> str:
    whole, rest = divmod(amount, size)
    return f"{whole} {large}" + (f" {rest} {small}" if rest else "")
