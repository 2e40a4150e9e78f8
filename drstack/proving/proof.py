"""Whether replayed losses are those that were logged. Pure.

Losses are equal where their bits are. Only where the two machines or programs are unlike may they differ, and then no
further than others of the same pair did before; where nothing was learnt of a pair yet, nothing is said.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Verdict = Literal["proved", "differs", "withheld"]
_SIGN = 1 << 63
_ROUNDING = 1e-5
"""A relative difference below it may come from another order of additions; state that is lost shows more."""


@dataclass(frozen=True, slots=True)
class Proof:
    """`reason` is one sentence for people. The fields from `step` on say where the first difference is, if there is one."""

    verdict: Verdict
    reason: str
    first: int
    last: int
    """The steps that were compared, both included."""
    greatest: float = 0.0
    """The greatest relative difference over all of them."""
    step: int | None = None
    logged: float | None = None
    replayed: float | None = None
    ulps: int | None = None


def compare(
    logged: Mapping[int, float], replayed: Mapping[int, float], *, unlike: tuple[str, ...], tolerance: float | None
) -> Proof:
    """`unlike`: in what the two sides differ, in words. `tolerance`: relative, as learnt of this pair; None: nothing yet.

    `replayed` has every step that was logged.
    """
    steps = sorted(logged)
    first, last = steps[0], steps[-1]
    greatest = max(distance(logged[step], replayed[step]) for step in steps)
    differs = next((step for step in steps if bits(logged[step]) != bits(replayed[step])), None)
    over = f"{len(steps)} step{'s' if len(steps) > 1 else ''} ({first} to {last})"
    if differs is None:
        note = f", though unlike: {'; '.join(unlike)}" if unlike else ""
        return Proof("proved", f"{over} bit for bit{note}", first, last)
    was, now = logged[differs], replayed[differs]
    apart = ulps(was, now)
    found = f"step {differs}: {was!r} was logged, {now!r} replayed ({apart} ulp apart)"
    if not unlike:
        reason = f"{found}; {likely_cause(differs - first, greatest)}"
        return Proof("differs", reason, first, last, greatest, differs, was, now, apart)
    between = f"unlike: {'; '.join(unlike)}"
    if tolerance is None:
        reason = f"{found}; {between}; no tolerance is known of this pair yet"
        return Proof("withheld", reason, first, last, greatest, differs, was, now, apart)
    within = greatest <= tolerance
    reason = (
        f"{over} within {tolerance:.2g} ({between}; greatest difference {greatest:.2g})"
        if within
        else f"{found}; {between}; their losses were never further apart than {tolerance:.2g}, now {greatest:.2g}; "
        f"{likely_cause(differs - first, greatest)}"
    )
    return Proof("proved" if within else "differs", reason, first, last, greatest, differs, was, now, apart)


def likely_cause(offset: int, greatest: float) -> str:
    """What to look at first. The loss of a step is taken before its update, so the first one knows no optimizer."""
    if greatest < _ROUNDING:
        return "likely a small change of weights or optimizer state, or another kernel or driver"
    if offset == 0:
        return "likely the weights, the data's position or the random state are not those of the run"
    return "likely the optimizer, the schedule or a later part of the data is not that of the run"


def bits(value: float) -> bytes:
    return struct.pack(">d", value)


def ulps(one: float, other: float) -> int:
    """How many floats (binary64) lie between two, 1 for neighbours; NaNs lie beyond the infinities."""
    return abs(_rank(one) - _rank(other))


def _rank(value: float) -> int:
    whole = int.from_bytes(bits(value), "big")
    return -(whole ^ _SIGN) if whole & _SIGN else whole


def distance(one: float, other: float) -> float:
    """Relative to the greater of both; infinite where one of them is no finite number and the other is something else."""
    if bits(one) == bits(other):
        return 0.0
    apart, size = abs(one - other), max(abs(one), abs(other))
    return apart / size if apart < float("inf") and size else (0.0 if apart == 0 else float("inf"))


def unlikeness(logged: Mapping[str, str], replayed: Mapping[str, str]) -> tuple[str, ...]:
    """What two sides' versions have different, in words."""
    return tuple(
        f"{name} {logged.get(name, 'not said')} logged, {replayed.get(name, 'not said')} here"
        for name in sorted({*logged, *replayed})
        if logged.get(name) != replayed.get(name)
    )
