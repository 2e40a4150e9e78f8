"""A summary is what numpy and torch say of the whole tensor, however its bytes were cut."""

from __future__ import annotations

import blake3
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.admission import Summariser, TensorSummary, combine
from replicator.admission.elements import decoder
from replicator.admission.summariser import BLOCK_ELEMENTS
from replicator.formats.dtypes import ITEM_BYTES
from replicator.formats.errors import MetadataInvalid

pytestmark = pytest.mark.filterwarnings("ignore:ComplexHalf")


def reference(data: bytes, dtype: str) -> TensorSummary:
    kind = getattr(torch, dtype)
    tensor = torch.frombuffer(bytearray(data), dtype=kind) if data else torch.empty(0, dtype=kind)
    parts = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    if dtype == "float8_e8m0fnu":
        parts = parts.float()
    values = parts.double().reshape(-1).numpy() if dtype != "uint64" else np.frombuffer(data, "<u8").astype(np.float64)
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        squares = float(np.sum(finite * finite))
    return TensorSummary(
        name="w",
        dtype=dtype,
        shape=(tensor.numel(),),
        digest=blake3.blake3(data).hexdigest(),
        nan_count=int(np.isnan(values).sum()),
        inf_count=int(np.isinf(values).sum()),
        zero_fraction=float((values == 0).mean()) if values.size else 0.0,
        sum_squares=squares,
        size=tensor.numel(),
    )


def assert_same(have: TensorSummary, want: TensorSummary) -> None:
    assert have.sum_squares == pytest.approx(want.sum_squares, rel=1e-4, abs=1e-300)
    for field in ("name", "dtype", "shape", "digest", "nan_count", "inf_count", "zero_fraction", "size"):
        assert getattr(have, field) == getattr(want, field), field


def summarise(data: bytes, dtype: str, cuts: list[int]) -> TensorSummary:
    summariser = Summariser(dtype)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        summariser.update(memoryview(data)[start:end])
    return summariser.finish("w")


@st.composite
def contents(draw: st.DrawFn) -> tuple[str, bytes, list[int]]:
    """Bytes of every kind: ordinary, all zero, huge, faint, with NaN and infinities, some longer than a block."""
    dtype = draw(st.sampled_from(sorted(ITEM_BYTES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([0, 1, 3, 17, 500, BLOCK_ELEMENTS, BLOCK_ELEMENTS + 5, 2 * BLOCK_ELEMENTS + 1]))
    kind = getattr(torch, dtype)
    scale = draw(st.sampled_from([0.0, 1e-38, 1e-25, 1e-3, 1.0, 1e25]))
    values = torch.from_numpy(rng.standard_normal(size) * scale)
    match draw(st.sampled_from(["numbers", "sparse", "special", "bytes"])):
        case "sparse":
            values[torch.from_numpy(rng.random(size) < 0.9)] = -0.0
        case "special":
            for at in draw(st.lists(st.integers(0, max(size - 1, 0)), max_size=4 if size else 0)):
                values[at] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        case "bytes":
            values = torch.empty(0)
        case _:
            pass
    if not values.numel() or not (kind.is_floating_point or kind.is_complex) or dtype == "float8_e8m0fnu":
        bits = rng.integers(0, 2 if dtype == "bool" else 256, size * ITEM_BYTES[dtype], dtype=np.uint8)
        data = bits.tobytes()
    else:
        data = values.to(kind).contiguous().view(torch.uint8).numpy().tobytes()
    return dtype, data, sorted(draw(st.lists(st.integers(0, len(data)), max_size=5)))


@pytest.mark.slow
@settings(deadline=None)
@given(contents())
def test_equals_the_reference_for_any_chunking(content: tuple[str, bytes, list[int]]) -> None:
    dtype, data, cuts = content
    assert_same(summarise(data, dtype, cuts), reference(data, dtype))


@settings(deadline=None)
@given(contents())
def test_chunking_changes_nothing_at_all(content: tuple[str, bytes, list[int]]) -> None:
    dtype, data, cuts = content
    once, cut = summarise(data, dtype, []), summarise(data, dtype, cuts)
    assert once == cut or once.sum_squares == pytest.approx(cut.sum_squares, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_reads_every_16_bit_value(dtype: str) -> None:
    codes = np.arange(65536, dtype="<u2")
    want = torch.from_numpy(codes.view(np.int16)).view(getattr(torch, dtype)).float().numpy()
    np.testing.assert_array_equal(decoder(dtype)(memoryview(codes.tobytes())), want)


@pytest.mark.parametrize("dtype", sorted(name for name in ITEM_BYTES if name.startswith("float8")))
def test_reads_every_8_bit_value(dtype: str) -> None:
    codes = bytes(range(256))
    want = torch.frombuffer(bytearray(codes), dtype=getattr(torch, dtype)).float().numpy()
    np.testing.assert_array_equal(decoder(dtype)(memoryview(codes)), want)


def test_counts_the_nan_patterns_of_8_bit_floats() -> None:
    counts = {dtype: summarise(bytes(range(256)), dtype, []) for dtype in ITEM_BYTES if dtype.startswith("float8")}
    assert {dtype: (summary.nan_count, summary.inf_count) for dtype, summary in counts.items()} == {
        "float8_e4m3fn": (2, 0),
        "float8_e4m3fnuz": (1, 0),
        "float8_e5m2": (6, 2),
        "float8_e5m2fnuz": (1, 0),
        "float8_e8m0fnu": (1, 0),
    }


def test_a_single_bad_value_among_many_is_counted() -> None:
    values = np.ones(5 * BLOCK_ELEMENTS, np.float32)
    for bad, counts in ((np.nan, (1, 0)), (np.inf, (0, 1)), (-np.inf, (0, 1))):
        for at in (0, BLOCK_ELEMENTS, values.size - 1):
            changed = values.copy()
            changed[at] = bad
            summary = summarise(changed.tobytes(), "float32", [])
            assert (summary.nan_count, summary.inf_count, summary.sum_squares) == (*counts, values.size - 1)


def test_squares_that_a_float32_cannot_hold_are_summed_all_the_same() -> None:
    for value in (1e30, 1e-30):
        values = np.full(1000, value, np.float32)
        expected = 1000 * float(values[0]) ** 2
        assert summarise(values.tobytes(), "float32", []).sum_squares == pytest.approx(expected)


def test_an_object_has_only_a_digest() -> None:
    summary = summarise(b"not a tensor", "bytes", [5])
    assert (summary.digest, summary.size) == (blake3.blake3(b"not a tensor").hexdigest(), 12)
    assert (summary.nan_count, summary.sum_squares) == (0, 0.0)


def test_a_cut_element_and_an_unknown_dtype_are_refused() -> None:
    summariser = Summariser("float32")
    summariser.update(b"12345")
    with pytest.raises(MetadataInvalid):
        summariser.finish()
    with pytest.raises(MetadataInvalid):
        Summariser("float4_e2m1fn_x2")


def test_keeps_the_global_shape_that_it_is_told() -> None:
    summariser = Summariser("uint8")
    summariser.update(bytes(4))
    assert summariser.finish("w", (8, 4)).shape == (8, 4)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=4))
def test_combined_shards_say_what_the_whole_says(sizes: list[int]) -> None:
    values = [np.arange(size, dtype=np.float32) for size in sizes]
    whole = summarise(np.concatenate(values).tobytes(), "float32", [])
    joined = combine([summarise(value.tobytes(), "float32", []) for value in values])
    assert joined.size == whole.size
    assert joined.sum_squares == pytest.approx(whole.sum_squares)
    assert joined.zero_fraction == pytest.approx(whole.zero_fraction)
