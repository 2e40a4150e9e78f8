"""The losses that a checkpoint carries: a file `losses.jsonl` beside its own (docs/operations/proving.md).

Decides what such a file says. Invariant: nothing of it is believed before its digest matched the commit, and no more
than MOST_BYTES of it is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replicator.errors import DataCorrupt
from replicator.repository.restore import read_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository

NAME = "losses.jsonl"
MOST_BYTES = 4 << 20
_STEP = "step"


@dataclass(frozen=True, slots=True)
class LossLog:
    """One process's losses by step, and how that process had begun."""

    attempt: str
    resumed_step: int | None
    exact: bool | None
    """Whether it went on bit for bit from what it resumed; None where it began from nothing."""
    world: int
    versions: Mapping[str, str]
    losses: Mapping[int, float]


class _Start(BaseModel):
    model_config = ConfigDict(extra="ignore")
    event: Literal["start"]
    attempt: str = Field(min_length=1)
    resumed_step: int | None
    exact: bool | None = None
    world: int = Field(ge=1, le=100_000)
    versions: dict[str, str] = Field(min_length=1)


class LossesUnreadable(ValueError):
    """The file is there and says nothing that can be used."""


def read_losses(repository: Repository, accepted: Accepted) -> LossLog | None:
    """What the checkpoint carries; None where it carries nothing. DataCorrupt, LossesUnreadable, StoreError."""
    manifest = repository.manifest(accepted.where.manifest)
    file = next((each for each in manifest.files if each.path == NAME), None)
    if file is None:
        return None
    if file.size_bytes > MOST_BYTES:
        raise LossesUnreadable(f"{NAME} has {file.size_bytes:,} bytes; at most {MOST_BYTES:,} are read")
    text = b"".join(read_block(repository, manifest, manifest.blocks[index]) for index in file.blocks)
    if len(text) != file.size_bytes:
        raise DataCorrupt(f"{NAME} of {accepted.what.id()} is not what its commit says")
    return parse(text)


def parse(text: bytes) -> LossLog:
    """LossesUnreadable names the line and what is wrong with it."""
    lines = [line for line in text.split(b"\n") if line.strip()]
    if not lines:
        raise LossesUnreadable(f"{NAME} is empty")
    try:
        start = _Start.model_validate(_object(lines[0], 1))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise LossesUnreadable(f"{NAME} line 1 is no `start` event: {faults}") from error
    losses: dict[int, float] = {}
    for number, line in enumerate(lines[1:], 2):
        row = _object(line, number)
        if row.get("event") == _STEP:
            step, loss = step_loss(row, f"{NAME} line {number}")
            losses[step] = loss
    return LossLog(start.attempt, start.resumed_step, start.exact, start.world, start.versions, losses)


def step_loss(row: Mapping[str, Any], where: str) -> tuple[int, float]:
    """A `step` event's step and loss: `loss_hex` has its exact bits, `loss` serves where that is missing."""
    step, exact, plain = row.get("step"), row.get("loss_hex"), row.get("loss")
    if isinstance(step, bool) or not isinstance(step, int):
        raise LossesUnreadable(f"{where}: `step` is {step!r}, no whole number")
    try:
        if isinstance(exact, str):
            return step, float.fromhex(exact)
        if isinstance(plain, int | float) and not isinstance(plain, bool):
            return step, float(plain)
    except (ValueError, OverflowError) as error:
        raise LossesUnreadable(f"{where}: `loss_hex` is {exact!r}, no hexadecimal number") from error
    raise LossesUnreadable(f"{where}: neither `loss_hex` nor `loss` is a number")


def _object(line: bytes, number: int) -> dict[str, Any]:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LossesUnreadable(f"{NAME} line {number} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise LossesUnreadable(f"{NAME} line {number} is no object")
    return value  # pyright: ignore[reportUnknownVariableType]
