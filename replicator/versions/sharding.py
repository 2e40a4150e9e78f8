"""How a checkpoint is spread over ranks, and whether another number of them can load it: read from its files' names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEEPSPEED = re.compile(r"(?:bf16_)?zero_pp_rank_(\d+)_mp_rank_(\d+)\w*_optim_states\.pt$")
_MEGATRON = re.compile(r"mp_rank_(\d+)(?:_\d+)*/\w+\.pt$")
_DISTCP = re.compile(r"__(\d+)_\d+\.distcp$")
_RNG = re.compile(r"(?:^|/)rng_state_(\d+)\.pth$")
_FSDP_LOCAL = re.compile(r"(?:^|/)(?:model|optim\w*)_\w*rank_?(\d+)\w*\.(?:pt|bin|pth)$")


@dataclass(frozen=True, slots=True)
class Sharding:
    """`sharded`: whether ranks held parts (None: not to be seen). `world`: how many ranks saved, where the names tell.

    `reshards`: whether another number of ranks can load it as it is; None where that depends on the trainer.
    """

    sharded: bool | None
    world: int | None
    reshards: bool | None
    why: str


def sharding_of(files: Sequence[str]) -> Sharding:
    names = [PurePosixPath(name).as_posix() for name in files]
    if ranks := _ranks(_DEEPSPEED, names):
        universal = any(PurePosixPath(name).parts[0] == "zero" for name in names)
        why = "a universal checkpoint of DeepSpeed" if universal else (
            "DeepSpeed loads its ZeRO shards with the same number of ranks only: convert them by ds_to_universal.py"
        )  # fmt: skip
        return Sharding(sharded=True, world=len(ranks), reshards=universal, why=why)
    if any(PurePosixPath(name).name == ".metadata" for name in names):
        ranks = _ranks(_DISTCP, names)
        return Sharding(sharded=True, world=len(ranks) or None, reshards=True, why="DCP reshards as it loads")
    if ranks := _ranks(_MEGATRON, names):
        why = "Megatron's old format holds one tensor and pipeline layout: convert it, or save with --ckpt-format torch_dist"
        return Sharding(sharded=True, world=None, reshards=False, why=why)
    if ranks := _ranks(_FSDP_LOCAL, names):
        return Sharding(sharded=True, world=len(ranks), reshards=False, why="each rank loads its own file only")
    ranks = _ranks(_RNG, names)
    return Sharding(
        sharded=False if not ranks or len(ranks) == 1 else None, world=len(ranks) or None, reshards=True,
        why="every rank can load the whole of it; random states of further ranks begin anew" if ranks else "it is whole",
    )  # fmt: skip


def _ranks(pattern: re.Pattern[str], names: Sequence[str]) -> set[str]:
    return {"-".join(match.groups()) for name in names if (match := pattern.search(name))}
