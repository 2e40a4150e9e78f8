"""Bytes of one dtype as numbers, and the counts over them.

Invariant: `decode` gives every element exactly (float32 or float64 holds it), except 64-bit integers, which are
rounded; `measure` counts NaN, infinite and zero elements exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from replicator.formats.dtypes import ITEM_BYTES

Numbers = NDArray[np.float32 | np.float64]
Decode = Callable[[memoryview], Numbers]

ROW_ELEMENTS = 8192
FAINT = 1e-28
"""A mean square below this is summed again: squares of single elements may have vanished in float32."""
LIFT = 2.0**60
"""What faint values, second moments mostly, are multiplied by for that, exactly."""


class Measured(NamedTuple):
    nan: int
    inf: int
    zero: int
    sum_squares: float


def measure(values: Numbers) -> Measured:
    """Counts, and the sum of squares of the finite values, exact to about 1e-6 of itself.

    A dot product that is finite proves that no element is NaN or infinite; only what fails that is looked at again.
    """
    zero = values.size - int(np.count_nonzero(values != 0))
    squares = _sum_squares(values)
    if zero == values.size or _is_exact(squares, values.size):
        return Measured(0, 0, zero, squares)
    if math.isfinite(squares):
        squares = _sum_squares(values * values.dtype.type(LIFT)) / LIFT**2
        if _is_exact(squares * LIFT**2, values.size):
            return Measured(0, 0, zero, squares)
    nan = int(np.count_nonzero(np.isnan(values)))
    finite = np.isfinite(values)
    wide = np.where(finite, values, 0).astype(np.float64)
    return Measured(nan, values.size - nan - int(np.count_nonzero(finite)), zero, _sum_squares(wide))


def _is_exact(squares: float, size: int) -> bool:
    """Neither did a square overflow, nor did so many vanish that the sum would show it."""
    return math.isfinite(squares) and squares > size * FAINT


def _sum_squares(values: Numbers) -> float:
    """By rows that a BLAS sums without starting threads; the rows' sums are added in float64."""
    whole = values.size - values.size % ROW_ELEMENTS
    rows = values[:whole].reshape(-1, ROW_ELEMENTS)
    rest = values[whole:]
    return float(np.vecdot(rows, rows).sum(dtype=np.float64)) + float(np.dot(rest, rest))


def measuring(dtype: str) -> Callable[[memoryview], Measured]:
    """How to measure bytes of `dtype`, one of `ITEM_BYTES`; raises KeyError for another."""
    decode = decoder(dtype)

    def measured(data: memoryview) -> Measured:
        with np.errstate(all="ignore"):
            return measure(decode(data))

    return measured


def decoder(dtype: str) -> Decode:
    """How to read bytes of `dtype`, one of `ITEM_BYTES`; raises KeyError for another."""
    return _DECODERS[dtype]


def _as_is(layout: str) -> Decode:
    def decode(data: memoryview) -> Numbers:
        return np.frombuffer(data, layout)

    return decode


def _widened(layout: str, wide: type[np.float32 | np.float64]) -> Decode:
    def decode(data: memoryview) -> Numbers:
        return np.frombuffer(data, layout).astype(wide)

    return decode


def _bfloat16(data: memoryview) -> Numbers:
    wide = np.frombuffer(data, "<u2").astype(np.uint32)
    np.left_shift(wide, 16, out=wide)
    return wide.view(np.float32)


def _looked_up(table: NDArray[np.float32]) -> Decode:
    def decode(data: memoryview) -> Numbers:
        return table[np.frombuffer(data, np.uint8)]

    return decode


def _float8(exponent_bits: int, bias: int, *, infinities: bool, negative_zero_is_nan: bool) -> NDArray[np.float32]:
    """The 256 values of an 8-bit float, from the OCP 8-bit floating point specification and its `fnuz` variants."""
    mantissa_bits = 7 - exponent_bits
    codes = np.arange(256)
    exponent = (codes >> mantissa_bits) & ((1 << exponent_bits) - 1)
    fraction = (codes & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
    scale = np.where(exponent == 0, 1, exponent) - bias
    values = np.where(exponent == 0, fraction, 1 + fraction) * np.exp2(scale.astype(np.float64))
    if negative_zero_is_nan:
        values[0x80] = np.nan
    elif infinities:
        top = exponent == (1 << exponent_bits) - 1
        values[top] = np.where(fraction[top] == 0, np.inf, np.nan)
    else:
        values[[0x7F, 0xFF]] = np.nan
    return np.where(codes & 0x80, -values, values).astype(np.float32)


def _float8_scale() -> NDArray[np.float32]:
    values = np.exp2(np.arange(256, dtype=np.float64) - 127)
    values[0xFF] = np.nan
    return values.astype(np.float32)


_DECODERS: dict[str, Decode] = {
    "float32": _as_is("<f4"),
    "float64": _as_is("<f8"),
    "complex64": _as_is("<f4"),
    "complex128": _as_is("<f8"),
    "float16": _widened("<f2", np.float32),
    "complex32": _widened("<f2", np.float32),
    "bfloat16": _bfloat16,
    "float8_e4m3fn": _looked_up(_float8(4, 7, infinities=False, negative_zero_is_nan=False)),
    "float8_e4m3fnuz": _looked_up(_float8(4, 8, infinities=False, negative_zero_is_nan=True)),
    "float8_e5m2": _looked_up(_float8(5, 15, infinities=True, negative_zero_is_nan=False)),
    "float8_e5m2fnuz": _looked_up(_float8(5, 16, infinities=False, negative_zero_is_nan=True)),
    "float8_e8m0fnu": _looked_up(_float8_scale()),
    "bool": _widened("u1", np.float32),
} | {
    name: _widened(f"<{'u' if name.startswith('u') else 'i'}{size}", np.float64)
    for name, size in ITEM_BYTES.items()
    if "int" in name
}
