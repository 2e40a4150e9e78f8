"""What the real libraries write on a CPU: found while they write and prune, restored, and resumed as was printed.

transformers' Trainer and Lightning run here. The line that `restore` prints is executed, not compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch

from replicator.layouts import Certainty, find, find_runs, inspect, resume_command
from replicator.repository.repository import Repository
from replicator.repository.verify import check_decoded
from replicator.service.follow import Watch, follow
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def restored(url: str, to: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "replicator", "restore", "latest", "--repo", url, "--to", str(to), "--json"],
        check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return json.loads(done.stdout)


def hugging_face(out: Path, steps: int, **more: object) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    row = torch.arange(8)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=1, n_head=1))
    settings = TrainingArguments(
        output_dir=str(out), max_steps=steps, save_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True,
        disable_tqdm=True, **more,
    )  # fmt: skip
    return Trainer(model, settings, train_dataset=[{"input_ids": row, "labels": row}] * 64)


def test_what_transformers_writes_and_prunes_is_followed_and_resumed(tmp_path: Path) -> None:
    url, run = (tmp_path / "backup").as_uri(), tmp_path / "gpt-tiny"
    stop, lines = threading.Event(), list[dict[str, object]]()
    watcher = threading.Thread(
        target=follow, args=(Watch(run, [url]),),
        kwargs={"report": lines.append, "tell": lambda _: None, "stop": stop}, daemon=True,
    )  # fmt: skip
    watcher.start()
    hugging_face(run, 12, save_total_limit=2).train()
    assert [each.path.name for each in find(run)] == ["checkpoint-11", "checkpoint-12"]
    ends = threading.Event()
    for _ in range(1200):
        if any(line["last_step"] == 12 for line in lines):
            break
        ends.wait(0.1)
    stop.set()
    watcher.join(60)
    there = Repository(url, open_store(url))
    commits = there.log("gpt-tiny").view().in_order()
    assert [commit.what.step for commit in commits] == sorted(commit.what.step for commit in commits)
    assert all(check_decoded(there, commit).ok for commit in commits)
    assert (lines[-1]["layout"], lines[-1]["certainty"]) == ("huggingface", "declared")
    said = restored(url, tmp_path / "back" / "checkpoint-12")
    assert inspect(tmp_path / "back" / "checkpoint-12").complete
    trainer = hugging_face(tmp_path / "next", 14)
    eval(said["resume"], {"trainer": trainer})
    assert trainer.state.global_step == 14
    assert find(tmp_path / "next")[0].path.name == "checkpoint-13"


def test_every_truncation_of_what_transformers_wrote_is_torn(tmp_path: Path) -> None:
    hugging_face(tmp_path / "run", 1).train()
    (whole,) = find(tmp_path / "run")
    assert whole.complete
    for name in ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"):
        content = (whole.path / name).read_bytes()
        for size in (0, len(content) // 2, len(content) - 2):
            (whole.path / name).write_bytes(content[:size])
            assert not find(tmp_path / "run")[0].complete, f"{name} cut to {size} bytes"
        (whole.path / name).write_bytes(content)
    assert find(tmp_path / "run")[0].complete


def lightning(root: Path, steps: int) -> tuple[Any, Any]:
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.demos.boring_classes import BoringModel

    saving = ModelCheckpoint(every_n_train_steps=2, save_top_k=2, monitor="step", mode="max", save_last="link")
    trainer = Trainer(
        default_root_dir=root, max_steps=steps, accelerator="cpu", callbacks=[saving], logger=True,
        enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0, log_every_n_steps=1,
    )  # fmt: skip
    return trainer, BoringModel()


def test_what_lightning_writes_is_found_and_resumed_as_printed(tmp_path: Path) -> None:
    url, run = (tmp_path / "backup").as_uri(), tmp_path / "boring"
    trainer, model = lightning(run, 6)
    trainer.fit(model)
    folder = run / "lightning_logs" / "version_0" / "checkpoints"
    assert (folder / "last.ckpt").is_symlink()
    assert [(each.root, each.name) for each in find_runs(run)] == [(run / "lightning_logs", "boring")]
    found = find(run / "lightning_logs")
    assert [(each.step, each.complete, each.certainty) for each in found] == [
        (4, True, Certainty.INFERRED), (6, True, Certainty.INFERRED),
    ]  # fmt: skip
    follow(Watch(run, [url], once=True), report=lambda _: None, tell=lambda _: None, stop=threading.Event())
    said = restored(url, tmp_path / "back")
    assert (said["step"], said["layout"]) == (6, "lightning")
    trainer, model = lightning(tmp_path / "next", 8)
    eval(said["resume"], {"trainer": trainer, "model": model})
    assert trainer.global_step == 8


def test_what_accelerate_saves_is_loaded_as_printed(tmp_path: Path) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model = torch.nn.Linear(4, 4)
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters()))
    model(torch.ones(4)).sum().backward()
    optimizer.step()
    saved = model.weight.detach().clone()
    accelerator.save_state(str(tmp_path / "run" / "step_40"))
    (only,) = find(tmp_path / "run")
    assert (only.step, only.complete, only.layout, only.certainty) == (40, True, "accelerate", Certainty.INFERRED)
    optimizer.step()
    layout, command = resume_command(only.path, only.path.name, 40)
    eval(command, {"accelerator": accelerator})
    assert layout == "accelerate"
    assert torch.equal(model.weight, saved)


def test_a_last_of_lightning_counts_only_where_it_is_alone(tmp_path: Path) -> None:
    trainer, model = lightning(tmp_path / "run", 2)
    trainer.fit(model)
    (only,) = find(tmp_path / "run" / "lightning_logs")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "last.ckpt").write_bytes(only.path.read_bytes())
    (counted,) = find(alone)
    assert (counted.step, counted.rewritten, counted.layout) == (None, True, "lightning")
    (alone / only.path.name).write_bytes(only.path.read_bytes())
    assert [each.step for each in find(alone)] == [2]
