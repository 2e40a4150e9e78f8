"""The callback for the Hugging Face Trainer: `Trainer(…, callbacks=[ReplicatorCallback(repo="s3://…")])`.

A checkpoint is taken when the Trainer says that it is saved, on every rank; the Trainer may prune it at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from transformers.trainer_callback import TrainerCallback

from replicator.layouts import inspect
from replicator.train.protection import LONGEST_WAIT_S, Protection
from replicator.train.targets import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers.trainer_callback import TrainerControl, TrainerState
    from transformers.training_args import TrainingArguments

    from replicator.consistency.system import System
    from replicator.train.preemption import Preemption
    from replicator.train.shipper import NotShipped

_STATE = "trainer_state.json"


class ReplicatorCallback(TrainerCallback):
    """Ships every `checkpoint-N` to `repo` (a URL or several), and ends a preempted run with exit code 75.

    `workload`: its name in the repository, the output folder's by default. `preemption`: False leaves signals alone;
    a `Preemption` of your own sets its grace or cloud. `wait_s`: how long the end of training waits for shipping.
    `near`: those of `repo` that must hold a save, with receipts, before it returns (RPO 0). With one of them silent the
    training stalls; with `patience_s` it ends with NotAcknowledged after that many seconds.
    `point`: systems that are kept at the step of every checkpoint, in its commit, while all ranks stand still.
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
        point: Sequence[System] = (),
    ) -> None:
        self._protection = Protection(
            repo, workload=workload, spool=None if spool is None else Path(spool), writer=writer,
            preemption=preemption, wait_s=wait_s, near=near, patience_s=patience_s, point=point,
        )  # fmt: skip
        self.not_shipped: tuple[NotShipped, ...] = ()
        """After training: what a repository does not have, and why."""

    def wait(self, timeout_s: float | None = None) -> tuple[NotShipped, ...]:
        """During training: until all that was saved is shipped, or the time is over. What is missing."""
        return self._protection.wait(timeout_s)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        del control, kwargs
        if args.save_only_model and state.is_world_process_zero:
            log.error("save_only_model=True: checkpoints lack the optimizer, and no run resumes from them")
        if args.enable_jit_checkpoint and state.is_world_process_zero:
            log.warning("enable_jit_checkpoint=True does nothing beside this callback, which answers SIGTERM itself")
        self._protection.dtypes = ("bfloat16",) if args.bf16 else ("float16",) if args.fp16 else ()
        self._protection.begin(Path(str(args.output_dir)), ships=state.is_world_process_zero)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        del args, state, kwargs
        if self._protection.ending():
            control.should_save = control.should_training_stop = True
        elif self._protection.advised():
            control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        del control, kwargs
        path = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        own = [name for name in _random_states(args) if name.endswith(f"_{_rank(args)}.pth")]
        self._protection.submit(path, state.global_step, lambda: _missing(path, args), own)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        del args, state, control, kwargs
        self.not_shipped = self._protection.end()


def _missing(path: Path, args: TrainingArguments) -> str | None:
    """What ranks on other nodes saved there: too much of it to be sent here."""
    if _world(args) == 1:
        return None
    gone = [name for name in (_STATE, *_random_states(args)) if not (path / name).is_file()]
    judged = inspect(path)
    if not gone and judged.complete:
        return None
    why = f"it lacks {', '.join(gone[:3])}" if gone else judged.why
    return (
        f"{path}: {why}: with several nodes, ranks that save shards need an output_dir on a file system that all share, "
        "or replicator.train.dcp.RepositoryWriter, which ships from each node"
    )


def _random_states(args: TrainingArguments) -> list[str]:
    """The file that each of several ranks writes by itself."""
    several = _world(args) > 1 and not args.save_only_model
    return [f"rng_state_{rank}.pth" for rank in range(_world(args))] if several else []


def _world(args: TrainingArguments) -> int:
    return cast("int", args.world_size)  # pyright: ignore[reportUnknownMemberType]


def _rank(args: TrainingArguments) -> int:
    return cast("int", args.process_index)  # pyright: ignore[reportUnknownMemberType]
