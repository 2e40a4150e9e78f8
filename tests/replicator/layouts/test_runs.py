"""Which runs a folder holds, and their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from replicator.layouts import find_runs, sanitised, workload_name
from tests.replicator.layouts import builders


def named(path: Path) -> list[tuple[str, str]]:
    return [(str(run.root.relative_to(path)), run.name) for run in find_runs(path)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/work/gpt-small", "gpt-small"),
        ("/work/GPT_small.v2", "gpt-small-v2"),
        ("/work/gpt/outputs/checkpoint", "gpt"),
        ("/work/gpt/lightning_logs/version_3/checkpoints", "gpt"),
        ("/work/gpt/2026-10-02_11-20-00/checkpoints", "gpt"),
        ("/checkpoints", "checkpoints"),
        ("/work/été", "t"),
        ("/work/日本", "work"),
    ],
)
def test_a_run_is_called_after_the_nearest_folder_that_is_named_for_it(path: str, name: str) -> None:
    assert workload_name(Path(path)) == name


def test_a_name_is_one_that_an_environment_accepts() -> None:
    assert sanitised("-A" * 80 + "/.. x") == ("a-" * 32)[:63]
    assert sanitised("…") == ""


def test_the_folder_itself_or_those_below_are_runs(tmp_path: Path) -> None:
    assert find_runs(tmp_path / "later") == []
    assert find_runs(tmp_path) == []
    for run in ("runs/gpt-a", "runs/gpt-b/checkpoints", "runs/exp-1"):
        builders.archive(tmp_path / run / "checkpoint-9" / "pytorch_model.bin")
    builders.archive(tmp_path / "runs" / "exp-1" / "pytorch_model.bin")
    builders.archive(tmp_path / "runs" / ".hidden" / "checkpoint-9" / "pytorch_model.bin")
    (tmp_path / "runs" / "linked").symlink_to("gpt-a")
    assert named(tmp_path) == [("runs/exp-1", "exp-1"), ("runs/gpt-a", "gpt-a"), ("runs/gpt-b/checkpoints", "gpt-b")]
    assert named(tmp_path / "runs" / "gpt-b") == [("checkpoints", "gpt-b")]
    builders.archive(tmp_path / "step-1" / "model.pt")
    assert [run.root for run in find_runs(tmp_path)] == [tmp_path]


def test_every_start_of_lightning_belongs_to_one_run(tmp_path: Path) -> None:
    logs = tmp_path / "gpt" / "lightning_logs"
    builders.archive(logs / "version_0" / "checkpoints" / "epoch=0-step=10.ckpt")
    builders.archive(logs / "version_1" / "checkpoints" / "epoch=1-step=20.ckpt")
    (logs / "version_1" / "hparams.yaml").write_text("{}")
    assert named(tmp_path / "gpt") == [("lightning_logs", "gpt")]


def test_data_beside_runs_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-7.npz").write_bytes(b"x")
    builders.archive(tmp_path / "gpt" / "checkpoint-9" / "pytorch_model.bin")
    assert named(tmp_path) == [("gpt", "gpt")]
