"""Healthy runs are never suspect, and every fault that is put into one is found."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.admission import Summariser, TensorSummary, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

spec = importlib.util.spec_from_file_location("training", Path(__file__).with_name("training.py"))
assert spec is not None
assert spec.loader is not None
training = importlib.util.module_from_spec(spec)
spec.loader.exec_module(training)

pytestmark = pytest.mark.slow
HEALTHY_RUNS = 300
CHECKPOINTS = 8


def series(seed: int, checkpoints: int = CHECKPOINTS) -> tuple[list[int], list[list[TensorSummary]]]:
    run = training.Run(seed)
    steps, saved = [0], [run.save()]
    for _ in range(checkpoints - 1):
        run.advance(int(run.rng.integers(1, 60)))
        steps.append(run.step)
        saved.append(run.save())
    return steps, saved


@pytest.mark.parametrize("batch", range(10))
def test_healthy_runs_are_never_suspect(batch: int) -> None:
    for seed in range(batch, HEALTHY_RUNS, 10):
        steps, saved = series(seed)
        for i, now in enumerate(saved):
            assert judge(now, saved[:i], steps=steps[:i]) == (), f"seed {seed}, step {steps[i]}"


def test_runs_long_enough_for_starved_moments_to_vanish_are_never_suspect() -> None:
    for seed in range(6):
        run = training.Run(seed)
        saved = [run.save()]
        for _ in range(16):
            run.advance(120)
            saved.append(run.save())
            assert judge(saved[-1], saved[:-1]) == (), f"seed {seed}, step {run.step}"


@st.composite
def healthy(draw: st.DrawFn) -> tuple[list[list[TensorSummary]], list[TensorSummary]]:
    """A history and the checkpoint that follows it, all from one number of ranks."""
    run = training.Run(draw(st.integers(0, 10_000)))
    saved: list[list[TensorSummary]] = []
    for _ in range(7):
        run.advance(draw(st.integers(1, 20)))
        run.ranks = 1
        saved.append(run.save())
    return saved[:-1], saved[-1]


def changed(now: Sequence[TensorSummary], at: int, **changes: object) -> list[TensorSummary]:
    return [*now[:at], replace(now[at], digest="changed", **changes), *now[at + 1 :]]


def found(now: Sequence[TensorSummary], history: Sequence[Sequence[TensorSummary]]) -> set[tuple[str, str | None]]:
    return {(finding.reason, finding.tensor) for finding in judge(now, history)}


def trained(now: Sequence[TensorSummary], history: Sequence[Sequence[TensorSummary]]) -> list[int]:
    """Indices of tensors that were never zero: those of which a rule can say something."""
    names = {s.name for s in now if s.is_float and s.size >= 16 and "expert" not in s.name}
    for checkpoint in history:
        names -= {s.name for s in checkpoint if s.is_zero or s.inf_count}
        names &= {s.name for s in checkpoint}
    return [i for i, s in enumerate(now) if s.name in names]


@settings(max_examples=60, deadline=None)
@given(healthy(), st.data())
def test_every_fault_in_one_tensor_is_found(
    case: tuple[list[list[TensorSummary]], list[TensorSummary]], data: st.DataObject
) -> None:
    history, now = case
    at = data.draw(st.sampled_from(trained(now, history)))
    target = now[at]
    assert found(now, history) == set()
    nan = changed(now, at, nan_count=data.draw(st.integers(1, target.size)))
    zero = changed(now, at, zero_fraction=1.0, sum_squares=0.0)
    norm = changed(now, at, sum_squares=max(s.sum_squares for h in history for s in h if s.name == target.name) * 1e16)
    infinite = changed(now, at, inf_count=1)
    reshaped = changed(now, at, shape=(target.size + 1,), size=target.size + 1)
    recast = changed(now, at, dtype="float16")
    for fault, reason in (
        (nan, "nan"),
        (zero, "zeroed"),
        (norm, "norm"),
        (infinite, "norm"),
        (reshaped, "shape"),
        (recast, "shape"),
    ):
        assert (reason, target.name) in found(fault, history), reason


@settings(max_examples=40, deadline=None)
@given(healthy(), st.data())
def test_every_fault_in_a_whole_checkpoint_is_found(
    case: tuple[list[list[TensorSummary]], list[TensorSummary]], data: st.DataObject
) -> None:
    history, now = case
    old = {s.name: s for s in data.draw(st.sampled_from(history))}
    stale = [old.get(s.name, s) if s.is_float and s.size > 1 else s for s in now]
    stale = [s for s in stale if s.name in old or not s.is_float]
    assert ("stale", None) in found(stale, history)
    for prefix in ("optim.", "rng_state", "dataloader"):
        without = [s for s in now if not s.name.startswith(prefix)]
        assert "state-gone" in {reason for reason, _ in found(without, history)}
    moments = [s.name for s in now if s.name.startswith("optim.") and s.size > 1]
    gone = data.draw(st.sampled_from(moments))
    assert ("state-gone", gone) in found([s for s in now if s.name != gone], history)


@given(st.integers(0, 2**32 - 1), st.integers(0, 399), st.sampled_from(["float32", "bfloat16"]))
@settings(max_examples=30, deadline=None)
def test_the_top_bit_of_an_exponent_that_flips_is_found(seed: int, at: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    weights = [(rng.standard_normal(400) * 0.02).astype(np.float32) for _ in range(6)]
    flipped = weights[-1].copy()
    flipped.view(np.uint32)[at] |= np.uint32(1 << 30)

    def summary(values: np.ndarray) -> list[TensorSummary]:
        summariser = Summariser(dtype)
        summariser.update(
            values.tobytes() if dtype == "float32" else (values.view(np.uint32) >> 16).astype("<u2").tobytes()
        )
        return [summariser.finish("model.w")]

    history = [summary(values) for values in weights[:-1]]
    assert judge(summary(weights[-1]), history) == ()
    assert {finding.reason for finding in judge(summary(flipped), history)} <= {"norm", "nan"}
    assert judge(summary(flipped), history)
