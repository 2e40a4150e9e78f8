"""What one of two ranks of a Hugging Face run does, for the launcher."""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from replicator.errors import ReplicatorError
from replicator.train.huggingface import ReplicatorCallback
from replicator.train.preemption import Preemption
from replicator.train.resume import resume
from tests.replicator.train.rig import steps, until


class Rows(torch.utils.data.Dataset):
    """Tells the process of a SIGTERM, if one is due, when the row that was asked for last comes."""

    def __init__(self, sigterm_after: int | None = None) -> None:
        self._left = sigterm_after

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
        row = (torch.arange(8) * (index + 1)) % 16
        return {"input_ids": row, "labels": row}


def train(
    out: str | Path, url: str, steps: int, *, sigterm_after: int | None = None, workload: str | None = None, **more: Any
) -> tuple[Trainer, ReplicatorCallback]:
    """With dropout, so that the losses tell whether each rank has its own random state back."""
    settings = TrainingArguments(
        output_dir=str(out), max_steps=steps, per_device_train_batch_size=2, report_to=[], disable_tqdm=True, use_cpu=True,
        logging_steps=1, lr_scheduler_type="constant", seed=5, **{"save_steps": 3, **more},
    )  # fmt: skip
    torch.manual_seed(5)
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, n_positions=8))
    callback = ReplicatorCallback(repo=url, workload=workload, preemption=Preemption(cloud=None, grace_s=120))
    trainer = Trainer(model=model, args=settings, train_dataset=Rows(sigterm_after), callbacks=[callback])
    trainer.train(resume_from_checkpoint=resume(out, url, workload=workload))
    return trainer, callback


def rank() -> int:
    return int(os.environ["RANK"])


def told(folder: str | Path, what: object) -> None:
    Path(folder, f"rank-{rank()}").write_text(str(what))


def whole(given: dict[str, Any]) -> None:
    """Six steps, saved at 3 and 6."""
    trainer, callback = train(given["out"], given["url"], 6)
    assert callback.not_shipped == ()
    told(given["folder"], [row["loss"] for row in trainer.state.log_history if "loss" in row])


def continued(given: dict[str, Any]) -> None:
    """Three steps, then everything on disk is lost, then from the repository to step 6."""
    train(given["out"], given["url"], 3)
    dist.barrier()
    if rank() == 0:
        shutil.rmtree(given["out"])
    dist.barrier()
    trainer, _ = train(given["out"], given["url"], 6)
    told(given["folder"], [row["loss"] for row in trainer.state.log_history if "loss" in row])


def apart(given: dict[str, Any]) -> None:
    """`continued` on two nodes that share no folder."""
    os.environ["LOCAL_RANK"] = "0"
    out = Path(given["out"], f"node-{rank()}", "run")
    train(out, given["url"], 3)
    shutil.rmtree(out)
    dist.barrier()
    trainer, _ = train(out, given["url"], 6)
    told(given["folder"], [row["loss"] for row in trainer.state.log_history if "loss" in row])


def unshipped(given: dict[str, Any]) -> None:
    """What only the first node has, in its spool, is no checkpoint for the second."""
    dist.init_process_group("gloo")
    try:
        said = resume(Path(given["out"], f"node-{rank()}", "run"), given["url"])
    except ReplicatorError as error:
        said = str(error)
    told(given["folder"], said)


def preempted(given: dict[str, Any]) -> None:
    """SIGTERM at the second rank only."""
    try:
        train(given["out"], given["url"], 40, save_strategy="no", sigterm_after=13 if rank() == 1 else None)
    except SystemExit as ended:
        told(given["folder"], ended.code)
        raise


def killed(given: dict[str, Any]) -> None:
    """The second rank dies while it writes its part of step 6."""
    if rank() == 1:
        torch.save = partial(_dies, torch.save, given)
    train(given["out"], given["url"], 6)


def _dies(save: Any, given: dict[str, Any], what: object, file: object, **more: Any) -> None:
    """Once step 3 is in the repository."""
    if "checkpoint-6" in str(file):
        until(lambda: steps(given["url"], "out") == [3], "step 3 is shipped")
        told(given["folder"], "killed")
        os.kill(os.getpid(), signal.SIGKILL)
    save(what, file, **more)
