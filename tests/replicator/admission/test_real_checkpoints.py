"""From torch's own files to a judgement: parsed, summed up in chunks, judged."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict

from replicator.admission import Summariser, TensorSummary, judge
from replicator.formats import ParsedCheckpoint, parse
from replicator.layouts import find, inspect

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")

STEPS = (0, 10, 20, 30, 40, 50)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.LayerNorm(30), torch.nn.Linear(30, 5))
    model.register_buffer("mask", torch.full((8, 8), -torch.inf).triu(1))
    model[0].requires_grad_(requires_grad=False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for step in range(max(STEPS) + 1):
        if step in STEPS:
            weights, moments = get_state_dict(model, optimizer)
            state = {"model": weights, "optim": moments, "rng": torch.get_rng_state(), "loader": {"cursor": step}}
            dcp.save(state, checkpoint_id=root / f"step-{step:08}", no_dist=True)
        optimizer.zero_grad()
        model(torch.randn(16, 20)).square().mean().backward()
        optimizer.step()
    return root


def read(folder: Path) -> tuple[ParsedCheckpoint, list[TensorSummary]]:
    parsed = parse(folder, inspect(folder).files)
    assert parsed.notes == ()
    found: list[TensorSummary] = []
    for item, dtype, shape in (
        *((tensor, tensor.dtype, tensor.global_shape) for tensor in parsed.tensors),
        *((item, "bytes", None) for item in parsed.objects),
    ):
        summariser = Summariser(dtype)
        with (folder / item.file).open("rb") as file:
            file.seek(item.offset)
            left = item.length
            while left:
                chunk = file.read(min(left, 37))
                summariser.update(chunk)
                left -= len(chunk)
        found.append(summariser.finish(item.name, shape))
    return parsed, found


@pytest.mark.slow
def test_a_healthy_run_is_never_suspect(trained: Path) -> None:
    candidates = find(trained)
    assert [(candidate.step, candidate.complete) for candidate in candidates] == [(step, True) for step in STEPS]
    summaries = [read(candidate.path)[1] for candidate in candidates]
    assert {summary.name for summary in summaries[1]} >= {"model.0.weight", "model.mask", "rng", "loader.cursor"}
    for i, now in enumerate(summaries):
        assert judge(now, summaries[:i], steps=STEPS[:i]) == ()


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "nan"), (0.0, "zeroed"), (1e30, "norm"), (np.inf, "norm")])
def test_a_fault_in_the_files_is_found(trained: Path, tmp_path: Path, value: float, reason: str) -> None:
    history = [read(candidate.path)[1] for candidate in find(trained)[:-1]]
    folder = tmp_path / "step-50"
    shutil.copytree(trained / "step-00000050", folder)
    parsed, _ = read(folder)
    (target,) = [tensor for tensor in parsed.tensors if tensor.name == "model.2.weight"]
    with (folder / target.file).open("r+b") as file:
        file.seek(target.offset)
        file.write(np.full(target.length // 4, value, np.float32).tobytes())
    found = judge(read(folder)[1], history)
    assert [(finding.reason, finding.tensor) for finding in found] == [(reason, "model.2.weight")]


def test_the_same_checkpoint_under_a_new_step_is_stale(trained: Path) -> None:
    history = [read(candidate.path)[1] for candidate in find(trained)]
    (finding,) = judge(history[3], history, steps=STEPS)
    assert finding.reason == "stale"
    assert finding.evidence.endswith("bit-identical to step 30")
