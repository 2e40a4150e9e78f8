"""Sizes and durations as people write them."""

from __future__ import annotations

import re

from replicator.errors import ReplicatorError

_SIZES = {
    "": 1,
    **{f"{prefix}B": 1000**n for n, prefix in enumerate(("", "K", "M", "G", "T"))},
    **{f"{prefix}IB": 1024**n for n, prefix in enumerate(("K", "M", "G", "T"), 1)},
}
_TIMES = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def size_bytes(text: str, option: str) -> int:
    """`50GB`, `512MiB`, `1000`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*((?:[KMGT]I?)?B)?", text.strip(), re.IGNORECASE)
    if not match:
        raise ReplicatorError(f"{option}: {text!r} is no size", hint=f"Write it as {option} 50GB or {option} 512MiB.")
    return int(float(match[1]) * _SIZES[(match[2] or "").upper()])


def seconds(text: str, option: str) -> float:
    """`90`, `15m`, `2h`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if not match:
        raise ReplicatorError(f"{option}: {text!r} is no duration", hint=f"Write it as {option} 90s or {option} 15m.")
    return float(match[1]) * _TIMES[match[2]]
