"""The loop: resume, step, agree, save, stop.

Invariant: whatever the ranks do, they do at the same step. Which checkpoint is resumed is rank 0's decision,
broadcast; whether to stop is summed with the loss.
"""

import gc
import os
import signal
import time
from dataclasses import asdict

import torch
import torch.distributed as dist
from torch import Tensor

from examples.train.errors import Interrupted, TrainError
from examples.train.folder import Found, choose, hold, survey
from examples.train.losses import LossLog, versions
from examples.train.metrics import Metrics, source_revision
from examples.train.options import Options
from examples.train.saver import Saver
from examples.train.state import Training
from examples.train.world import World

POLL_S = 0.05


class Stop:
    """Remembers that SIGTERM or SIGINT came."""

    def __init__(self) -> None:
        self.requested = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: object) -> None:
        self.requested = True


def _decide(options: Options, world: World, metrics: Metrics) -> Found | None:
    decided: list[Found | TrainError | None] = [None]
    if world.rank == 0 and options.checkpoints is not None:
        try:
            if options.every:
                hold(options.checkpoints)
            decided[0], passed = choose(survey(options.checkpoints), options.require_step)
        except TrainError as refusal:
            decided[0], passed = refusal, []
        for found in passed:
            metrics.event("skipped", step=found.step, path=str(found.path), reason=found.fault)
    dist.broadcast_object_list(decided, src=0, group=world.checkpoint_group)
    if isinstance(decided[0], TrainError):
        raise decided[0]
    return decided[0]


def _pace(began: float, floor_s: float, stop: Stop) -> None:
    """Sleep out the step's least time, in naps, so that a signal ends it."""
    while not stop.requested and (left := began + floor_s - time.perf_counter()) > 0:
        time.sleep(min(left, POLL_S))


def _agree(loss: Tensor, stop: Stop, world: World) -> tuple[float, bool]:
    """The mean loss over ranks, in fp64, and whether any rank was asked to stop."""
    shared = torch.tensor([loss.item(), float(stop.requested)], dtype=torch.float64, device=world.device)
    dist.all_reduce(shared)
    return shared[0].item() / world.size, shared[1].item() > 0


def _start(options: Options, world: World, metrics: Metrics, resumed: Found | None, **more: object) -> None:
    metrics.event(
        "start",
        pid=os.getpid(),
        world=world.size,
        device=world.device.type,
        run=options.run,
        attempt=options.attempt,
        resumed_step=None if resumed is None else resumed.step,
        seed=options.seed,
        size=asdict(options.size),
        batch=options.batch,
        git=source_revision() if world.rank == 0 else None,
        torch=str(torch.__version__),
        startup_s=time.time() - options.started_at,
        **more,
    )


def train(options: Options, world: World, metrics: Metrics) -> None:
    """Run to the last step, or raise Interrupted after saving when a signal asks for it."""
    resumed = _decide(options, world, metrics)
    training = Training(options, world)
    exact = None if resumed is None else training.resume(resumed)
    # Off since the start, see __main__. Not frozen: that makes torch's bindings report leaks at exit.
    gc.enable()
    resumed_step, made_on = None if resumed is None else resumed.step, versions(world.device)
    _start(options, world, metrics, resumed, exact=exact, versions=made_on)
    losses = LossLog(
        attempt=options.attempt, resumed_step=resumed_step, exact=exact, world=world.size, versions=made_on
    )
    saver = Saver(options, world, metrics, losses)
    stop, stopping = Stop(), False
    while not stopping and not options.ends_at(training.step):
        began = time.perf_counter()
        loss = training.advance()
        _pace(began, options.step_floor_s, stop)
        mean, stopping = _agree(loss, stop, world)
        spent = time.perf_counter() - began
        values = {"loss": mean, "loss_hex": mean.hex(), "seconds": spent, "tokens": training.tokens_per_step}
        metrics.event("step", step=training.step, **values)
        losses.note(training.step, mean)
        if saver.due(training.step, last=stopping or options.ends_at(training.step)):
            saver.begin(training.step, training.state())
        saver.check()
    saver.wait()
    finished = options.ends_at(training.step)
    reason, code = ("finished", 0) if finished else ("stopped", Interrupted.exit_code)
    metrics.event("done", step=training.step, saved=saver.last_step, reason=reason, exit=code)
    if not finished:
        raise Interrupted(f"stopped after step {training.step}; the same command goes on from there")
