"""SIGTERM in the middle of a real Hugging Face or Lightning run: a checkpoint of that step, shipped, and "resume me"."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from replicator.consistency.hooks import Functions
from replicator.train.preemption import Preemption, ResumeMe
from replicator.train.resume import resume
from tests.replicator.train.rig import made, steps, view

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Rows(torch.utils.data.Dataset):
    """Rows for a tiny run; reading the 13th sends SIGTERM to this process."""

    def __init__(self, row):
        self.row, self.read = row, 0

    def __len__(self):
        return 400

    def __getitem__(self, index):
        self.read += 1
        if self.read == 13:
            os.kill(os.getpid(), signal.SIGTERM)
        return self.row


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.setenv("DRSTACK_RESUME", "{}")
    return made(tmp_path / "store")


def hugging_face(url, out, row):
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    from replicator.train.huggingface import ReplicatorCallback

    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=64, n_positions=16))
    args = TrainingArguments(
        output_dir=str(out), max_steps=40, save_strategy="no", per_device_train_batch_size=2, report_to=[],
        disable_tqdm=True, use_cpu=True, logging_strategy="no",
    )  # fmt: skip
    point = [Functions("db", snapshot=lambda folder: (folder / "dump").write_text("rows"))]
    callback = ReplicatorCallback(repo=url, preemption=Preemption(cloud=None, grace_s=120), point=point)
    trainer = Trainer(model=model, args=args, train_dataset=Rows(row), callbacks=[callback])
    trainer.train(resume_from_checkpoint=resume(out, url))
    return trainer.state.global_step, callback


def test_hugging_face(url, tmp_path):
    row = {"input_ids": torch.arange(8), "labels": torch.arange(8)}
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ResumeMe) as ended:
        hugging_face(url, tmp_path / "out", row)
    assert ended.value.code == 75
    assert signal.getsignal(signal.SIGTERM) == before
    (step,) = steps(url, "out")
    assert 5 <= step < 40
    [accepted] = view(url, "out").in_order()
    assert accepted.what.point.made
    assert accepted.what.versions.by == "trainer"
    assert accepted.what.versions.torch == torch.__version__
    assert (tmp_path / "out" / f"checkpoint-{step}" / "optimizer.pt").is_file()
    assert resume(tmp_path / "out", url) == str(tmp_path / "out" / f"checkpoint-{step}")


def test_lightning(url, tmp_path):
    import lightning

    from replicator.train.lightning import ReplicatorCallback

    class Tiny(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8, 1)

        def training_step(self, batch, index):
            return self.layer(batch).pow(2).mean()

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters())

    out = tmp_path / "lit"
    callback = ReplicatorCallback(repo=url, preemption=Preemption(cloud=None, grace_s=120))
    trainer = lightning.Trainer(
        max_steps=40, accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False, default_root_dir=out, callbacks=[callback], accumulate_grad_batches=2,
    )  # fmt: skip
    with pytest.raises(ResumeMe):
        trainer.fit(Tiny(), torch.utils.data.DataLoader(Rows(torch.ones(8)), batch_size=2))
    (step,) = steps(url, "lit")
    assert step < 40
    path = out / f"preempted-step={step}.ckpt"
    assert resume(out, url) == str(path)
    assert torch.load(path, weights_only=False)["global_step"] == step
    assert callback.not_shipped == ()
