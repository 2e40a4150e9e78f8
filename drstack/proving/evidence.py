"""Which logged losses speak for a checkpoint: those that the very run made which went through it. Pure.

A later log counts where the same process wrote both, or where its process resumed from this checkpoint and says that
it went on bit for bit. Invariant: no loss of another run, nor of a run that came back to the step by another way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.proving.losses import LossLog

LEAST = 2
"""The first step's loss is taken before its update: only the second one knows whether the optimizer is whole."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The losses of the steps right after a checkpoint, on how many ranks and on what they were made."""

    losses: Mapping[int, float]
    world: int
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NotProvable:
    """Why not; `later` says whether that can change as checkpoints arrive."""

    why: str
    later: bool


def evidence(
    step: int, own: LossLog | None, after: Sequence[LossLog | None], *, most: int, twin: bool
) -> Evidence | NotProvable:
    """`after`: logs of the checkpoints committed later, in their order. `twin`: another checkpoint has this step too."""
    if own is None:
        return NotProvable("no losses logged: it carries no losses.jsonl", later=False)
    logs = [log for log in after if log is not None and _speaks_for(log, step, own, twin=twin)]
    found: dict[int, float] = {}
    made_on = logs[0] if logs else own
    for log in logs:
        if (log.world, log.versions) == (made_on.world, made_on.versions):
            found.update({at: loss for at, loss in log.losses.items() if at > step and at not in found})
    losses: dict[int, float] = {}
    while len(losses) < most and (next_step := step + len(losses) + 1) in found:
        losses[next_step] = found[next_step]
    if len(losses) >= min(LEAST, most):
        return Evidence(losses, made_on.world, made_on.versions)
    if not after:
        return NotProvable("the losses after it have not arrived: they come with the next checkpoint", later=True)
    return NotProvable("no later checkpoint carries the losses of the steps after it", later=True)


def _speaks_for(log: LossLog, step: int, own: LossLog, *, twin: bool) -> bool:
    if log.attempt == own.attempt:
        return True
    return log.resumed_step == step and log.exact is True and not twin
