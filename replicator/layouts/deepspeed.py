"""DeepSpeed: `<save_dir>/global_step<N>` (or another tag) of `…model_states.pt` and `…optim_states.pt` for each rank.

`latest` beside it names the tag, and is written when every rank has saved.

Invariant: a tag is complete only if `latest` names it or one of a later step, no rank of its sets is missing, and every
file is a whole archive. One with files newer than `latest` must be quiet first.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.layouts.candidate import Certainty, Settle
from replicator.layouts.steps import step_in, step_of
from replicator.layouts.wholeness import files_fault

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

LATEST = "latest"
STATES = re.compile(r".*_?(model|optim)_states\.pt", re.ASCII)
ZERO = re.compile(r"(.*zero_pp_rank_)([0-9]+)(_mp_rank_[0-9]+_?)(model|optim)_states\.pt", re.ASCII)
MODEL = re.compile(r"(mp_rank_)([0-9]+)(_)(model)_states\.pt", re.ASCII)


class DeepSpeedLayout:
    name = "deepspeed"

    def judge(self, place: Place) -> Candidate | None:
        if place.is_file or not any(STATES.fullmatch(name) for name in place.top()):
            return None
        step, latest = step_in(place.name), place.beside(LATEST)
        fault = _latest_fault(place, step, latest) or _rank_fault(place) or files_fault(place.path, place.listing)
        judged = place.judged(
            self.name, step, fault, f"`{LATEST}` names it or a later one",
            certainty=Certainty.DECLARED, settle=Settle.TWO_LOOKS,
        )  # fmt: skip
        if latest is None or place.newest_ns() > latest[1]:
            return replace(judged, certainty=Certainty.INFERRED, settle=Settle.QUIET)
        return judged

    def resume(self, path: Path, step: int) -> str:
        del step
        return f"engine.load_checkpoint({str(path.parent)!r}, tag={path.name!r})"


def _latest_fault(place: Place, step: int | None, latest: tuple[str, int] | None) -> str | None:
    if latest is None:
        return None if place.alone else f"`{LATEST}` missing: it is written when every rank has saved"
    tag = latest[0].strip()
    if tag == place.name:
        return None
    named = step_of(tag)
    if named is None or step is None:
        return f"`{LATEST}` names `{tag[:80]}`"
    return f"`{LATEST}` names `{tag[:80]}`: this one is not finished" if step > named else None


def _rank_fault(place: Place) -> str | None:
    """Ranks of each set count from 0 without a gap, and the sets of the optimizer are of one size."""
    sets: defaultdict[tuple[str, str, str], dict[int, str]] = defaultdict(dict)
    for name in place.top():
        found = ZERO.fullmatch(name) or MODEL.fullmatch(name)
        if found is not None:
            sets[found[1], found[3], found[4]][int(found[2])] = found[2]
    largest: defaultdict[tuple[str, str], int] = defaultdict(int)
    for (prefix, _, kind), ranks in sets.items():
        largest[prefix, kind] = max(largest[prefix, kind], *ranks)
    for (prefix, middle, kind), ranks in sorted(sets.items()):
        if kind == "optim" and (model := _model_of(middle, max(ranks))).isdisjoint(place.top()):
            return f"`{min(model)}` missing"
        width = max(len(text) for text in ranks.values()) if prefix == "mp_rank_" else 1
        missing = next((rank for rank in range(largest[prefix, kind] + 1) if rank not in ranks), None)
        if missing is not None:
            return f"`{prefix}{missing:0{width}d}{middle}{kind}_states.pt` missing"
    return None


def _model_of(middle: str, last: int) -> set[str]:
    """Where the model of an optimizer's states is: in one file of the model-parallel rank, or, with ZeRO 3, each rank's."""
    mp_rank = middle.strip("_")
    return {f"{mp_rank}_model_states.pt", f"zero_pp_rank_{last}_{mp_rank}_model_states.pt"}
