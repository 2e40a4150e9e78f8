"""Hugging Face Trainer: `<output_dir>/checkpoint-<N>`, with `trainer_state.json` written after all else by rank 0.

Invariant: complete means that `trainer_state.json` is whole and names step N, that weights are there, and that every
shard, archive and DCP part in the folder is whole. Other ranks may write their `rng_state_<rank>.pth` a moment later,
so the folder must also stand still for a look.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from replicator.formats.errors import MetadataInvalid
from replicator.formats.pickle_values import as_dict
from replicator.layouts.candidate import Certainty, Settle
from replicator.layouts.dcp import dcp_fault, parts_of
from replicator.layouts.place import read_text
from replicator.layouts.wholeness import files_fault

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

NAME = re.compile(r"checkpoint-([0-9]{1,18})", re.ASCII)
STATE = "trainer_state.json"
MAX_STATE_BYTES = 256 << 20
"""It holds the whole log history."""
MINE = frozenset({STATE, "training_args.bin", "config.json", "adapter_config.json", "generation_config.json"})
WEIGHTS = re.compile(
    r"(adapter_)?(model|pytorch_model)(-[0-9]+-of-[0-9]+)?\.(safetensors|bin)|model_fp16\.bin", re.ASCII
)
SHARDED = re.compile(r"(pytorch_model_fsdp|optimizer)_[0-9]+", re.ASCII)
DEEPSPEED = re.compile(r"global_step[0-9]+", re.ASCII)


class HuggingFaceLayout:
    name = "huggingface"

    def judge(self, place: Place) -> Candidate | None:
        named = NAME.fullmatch(place.name)
        known = STATE in place.listing.files if place.alone and named is None else named is not None and _is_mine(place)
        if place.is_file or not known:
            return None
        step = int(named[1]) if named else None
        return place.judged(
            self.name, step, _fault(place, step), f"`{STATE}` is there, and all that the folder names",
            certainty=Certainty.DECLARED,
            settle=Settle.TWO_LOOKS,
        )  # fmt: skip

    def resume(self, path: Path, step: int) -> str:
        del step
        return f"trainer.train(resume_from_checkpoint={str(path)!r})"


def _is_mine(place: Place) -> bool:
    tops = {name.split("/")[0] for name in place.listing.files}
    return bool(tops & MINE) or any(
        WEIGHTS.fullmatch(name) or SHARDED.fullmatch(name) or DEEPSPEED.fullmatch(name) for name in tops
    )


def _fault(place: Place, step: int | None) -> str | None:
    if STATE not in place.listing.files:
        return f"`{STATE}` missing: the Trainer writes it last"
    text = read_text(place.path, STATE, MAX_STATE_BYTES)
    try:
        said = as_dict(cast("object", json.loads(text or ""))).get("global_step")
    except (ValueError, RecursionError, MetadataInvalid) as error:
        return f"`{STATE}` unreadable: {error}"
    if step is not None and said != step:
        return f"`{STATE}` is of step {said}"
    if not _has_weights(place):
        return "no weights are there"
    return dcp_fault(place.path, place.listing) or _tag_fault(place) or files_fault(place.path, place.listing)


def _has_weights(place: Place) -> bool:
    names = place.listing.files
    weights = any(WEIGHTS.fullmatch(name.rsplit("/", 1)[-1]) or name.endswith(".safetensors") for name in names)
    return weights or bool(parts_of(place.listing)) or any(DEEPSPEED.match(name) for name in names)


def _tag_fault(place: Place) -> str | None:
    """DeepSpeed writes `latest` beside `global_step<N>` when all ranks have saved."""
    if not any(DEEPSPEED.match(name) for name in place.listing.files):
        return None
    tag = read_text(place.path, "latest") if "latest" in place.listing.files else None
    if tag is None:
        return "`latest` missing: DeepSpeed writes it last"
    return None if place.inside(tag.strip()) else f"`latest` names `{tag.strip()}`, which is not there"
