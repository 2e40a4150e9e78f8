"""The last gate: one unsound range makes its whole file opaque, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.formats.tensors import TensorRange, keep_sound


def piece(offset: int, elements: int = 2, name: str = "w", file: str = "a") -> TensorRange:
    return TensorRange(name, file, offset, 4 * elements, "float32", (elements,))


SOUND = (piece(0), piece(8, 0, "empty"), piece(8, 2, "v"))


def test_keeps_what_is_sound_in_order() -> None:
    assert keep_sound(reversed(SOUND), {"a": 16}) == (SOUND, ())


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        (piece(12, name="x"), "`a`: 'x' overlaps 'v'"),
        (piece(9, 1, name="x"), "`a`: 'x' overlaps 'v'"),
        (piece(16, name="x"), "`a`: 'x' ends at byte 24 of 20"),
        (piece(-4, 1, name="x"), "`a`: 'x' ends at byte 0 of 20"),
        (replace(piece(16, 1, name="x"), length=3), "`a`: 'x' has 3 bytes, which is not what float32(1,) needs"),
    ],
)
def test_one_unsound_range_makes_its_file_opaque_and_no_other(fault: TensorRange, note: str) -> None:
    other = piece(0, file="b")
    assert keep_sound((*SOUND, fault, other), {"a": 20, "b": 8}) == ((other,), (note,))


@given(st.lists(st.tuples(st.integers(-3, 40), st.integers(0, 5)), max_size=6), st.integers(0, 50))
def test_what_is_kept_never_shares_a_byte_nor_leaves_its_file(places: list[tuple[int, int]], size: int) -> None:
    kept, notes = keep_sound([piece(*place) for place in places], {"a": size})
    used = [byte for tensor in kept for byte in range(tensor.offset, tensor.offset + tensor.length)]
    assert len(set(used)) == len(used)
    assert all(0 <= byte < size for byte in used)
    assert len(kept) == len(places) or notes
