"""The callback for Lightning: `Trainer(…, callbacks=[ReplicatorCallback(repo="s3://…")])`.

It stands between Lightning and the writing of checkpoints, so that every one is taken when it is whole, whoever asked
for it: `ModelCheckpoint`, `trainer.save_checkpoint`, or a preemption. A file comes from Lightning's `CheckpointIO`;
strategies that shard write a folder past it, all ranks together, which is whole when theirs has returned.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import AsyncCheckpointIO, CheckpointIO, TorchCheckpointIO

from replicator.errors import ReplicatorError
from replicator.train.protection import LONGEST_WAIT_S, Protection
from replicator.train.targets import log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.strategies import Strategy

    from replicator.train.preemption import Preemption
    from replicator.train.shipper import NotShipped

_AFTER_ERROR_S = 60.0


class ShippingIO(CheckpointIO):
    """Another CheckpointIO, whose finished files are told of: path, and the checkpoint as it was written."""

    def __init__(self, base: CheckpointIO, saved: Callable[[Path, Mapping[str, object]], None]) -> None:
        self._base = base
        self._saved = saved

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        self._base.save_checkpoint(checkpoint, path, storage_options=storage_options)
        self._saved(Path(path), checkpoint)

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return self._base.load_checkpoint(path, *args, **kwargs)

    def remove_checkpoint(self, path: str | Path) -> None:
        self._base.remove_checkpoint(path)

    def teardown(self) -> None:
        self._base.teardown()


class ReplicatorCallback(Callback):
    """Ships every checkpoint to `repo` (a URL or several), and ends a preempted run with exit code 75.

    `workload`: its name in the repository, the checkpoint folder's by default. `preemption`: False leaves signals alone;
    a `Preemption` of your own sets its grace or cloud. `wait_s`: how long the end of training waits for shipping.
    `near`: those of `repo` that must hold a save, with receipts, before it returns (RPO 0). With one of them silent the
    training stalls; with `patience_s` it ends with NotAcknowledged after that many seconds.
    """

    def __init__(
        self,
        repo: str | Sequence[str],
        *,
        workload: str | None = None,
        spool: str | Path | None = None,
        writer: str = "standalone",
        preemption: Preemption | bool = True,
        wait_s: float = LONGEST_WAIT_S,
        near: str | Sequence[str] = (),
        patience_s: float | None = None,
    ) -> None:
        self._protection = Protection(
            repo, workload=workload, spool=None if spool is None else Path(spool), writer=writer,
            preemption=preemption, wait_s=wait_s, near=near, patience_s=patience_s,
        )  # fmt: skip
        self._given: ShippingIO | None = None
        self._global_step = 0
        self._heard: Strategy | None = None
        self._taken = self._beside = False
        self.not_shipped: tuple[NotShipped, ...] = ()
        """After training: what a repository does not have, and why."""

    def checkpoint_io(self, base: CheckpointIO | None = None) -> CheckpointIO:
        """For AsyncCheckpointIO, which must contain it: `plugins=[AsyncCheckpointIO(callback.checkpoint_io())]`."""
        self._given = ShippingIO(base or TorchCheckpointIO(), self._saved)
        return self._given

    def wait(self, timeout_s: float | None = None) -> tuple[NotShipped, ...]:
        """During training: until all that was saved is shipped, or the time is over. What is missing."""
        return self._protection.wait(timeout_s)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        del pl_module
        if stage != "fit":
            return
        there = trainer.strategy.checkpoint_io
        if isinstance(there, AsyncCheckpointIO):
            if self._given is None or there.checkpoint_io is not self._given:
                raise ReplicatorError(
                    "AsyncCheckpointIO says that a checkpoint is saved before it is written",
                    hint="Put the callback's own inside: plugins=[AsyncCheckpointIO(callback.checkpoint_io())]",
                )
            self._beside = True
            return
        if not isinstance(there, ShippingIO):
            trainer.strategy.checkpoint_io = ShippingIO(there, self._saved)
        self._hear(trainer.strategy)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning has set its own signal handlers by now; ours take their place until the end."""
        del pl_module
        self._global_step = trainer.global_step
        self._protection.dtypes = _dtypes(str(trainer.precision))
        self._protection.begin(_folder(trainer), ships=trainer.is_global_zero)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Between two optimizer steps, as gradients that were accumulated are in no checkpoint."""
        del pl_module, outputs, batch, batch_idx
        if trainer.global_step == self._global_step:
            return
        self._global_step = trainer.global_step
        ending = self._protection.ending()
        if ending or self._protection.advised():
            trainer.save_checkpoint(_folder(trainer) / f"preempted-step={trainer.global_step}.ckpt")
            if self._beside:
                trainer.strategy.checkpoint_io.teardown()  # waits for the file
        if ending:
            self.not_shipped = self._protection.end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        del trainer, pl_module
        if not isinstance(exception, SystemExit):
            for each in self._protection.wait(_AFTER_ERROR_S):
                log.error("NOT SHIPPED: %s", each)
        self._protection.abandon()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        del trainer, pl_module
        if stage == "fit":
            self.not_shipped = self._protection.end()

    def _hear(self, strategy: Strategy) -> None:
        """Once for a strategy: learn of what it saves past its CheckpointIO."""
        if self._heard is strategy:
            return
        write = strategy.save_checkpoint

        def save_checkpoint(
            checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any | None = None
        ) -> None:
            whole = dict(checkpoint)  # a strategy takes out what it shards
            self._taken = False
            write(checkpoint, filepath, storage_options=storage_options)
            if not self._taken and Path(filepath).is_dir():
                self._saved(Path(filepath), whole)

        strategy.save_checkpoint = save_checkpoint
        self._heard = strategy

    def _saved(self, path: Path, checkpoint: Mapping[str, object]) -> None:
        self._taken = True
        step = cast("int", checkpoint.get("global_step", 0))
        resumable = "optimizer_states" in checkpoint
        fault = None if resumable else f"{path} holds weights only, from which no run resumes (save_weights_only=True)"
        self._protection.take(path, step, fault)


def _dtypes(precision: str) -> tuple[str, ...]:
    """What it computes in: `bf16-mixed`, `16-true`, `transformer-engine-float8`."""
    known = {"bf16": "bfloat16", "16": "float16", "float8": "float8_e4m3fn", "transformer": "float8_e4m3fn"}
    return tuple({name for part, name in known.items() if part in precision.split("-")})


def _folder(trainer: Trainer) -> Path:
    """Where checkpoints go: the first ModelCheckpoint's folder, else the trainer's own."""
    chosen = getattr(trainer.checkpoint_callback, "dirpath", None)
    return Path(chosen or trainer.default_root_dir)
