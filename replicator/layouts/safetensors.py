"""Safetensors: files `<anything><step>.safetensors`, or folders `<anything><step>` that hold some.

Invariant: complete means that every safetensors file is exactly as long as its header says, and that no shard is
missing, neither of those that an index names nor of a set `…-00001-of-00003`. Files of other formats beside them are
taken as they are, and more may come: a folder must be quiet.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from replicator.layouts.candidate import Settle
from replicator.layouts.steps import STRONG, step_in
from replicator.layouts.wholeness import SAFETENSORS, first, index_fault, missing_shards, safetensors_fault

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

INDEX_SUFFIX = ".safetensors.index.json"


class SafetensorsLayout:
    name = "safetensors"

    def judge(self, place: Place) -> Candidate | None:
        if place.is_file:
            return self._judge_file(place) if place.name.endswith(SAFETENSORS) else None
        anywhere = place.alone or STRONG.match(place.name)
        names = place.listing.files if anywhere else place.top()
        if place.is_run() or not any(name.endswith((SAFETENSORS, INDEX_SUFFIX)) for name in names):
            return None
        listing, folder = place.listing, place.path
        fault = first(
            chain(
                (index_fault(folder, name, listing) for name in listing.files if name.endswith(INDEX_SUFFIX)),
                missing_shards(listing),
                (safetensors_fault(folder, name) for name in listing.files if name.endswith(SAFETENSORS)),
            )
        )
        why = "every safetensors file is as long as its header says"
        return place.judged(self.name, step_in(place.name), fault, why, settle=Settle.QUIET)

    def _judge_file(self, place: Place) -> Candidate:
        fault = safetensors_fault(place.path.parent, place.name)
        return place.judged(self.name, step_in(place.name), fault, "the file is as long as its header says")

    def resume(self, path: Path, step: int) -> str:
        del step
        return f"safetensors.torch.load_file({str(first_file(path, SAFETENSORS))!r})"


def first_file(path: Path, suffix: str) -> Path:
    """The file at `path`, or the first with this suffix below it."""
    if path.is_file():
        return path
    return min((each for each in path.rglob(f"*{suffix}") if each.is_file()), default=path)
