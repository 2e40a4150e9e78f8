"""NeMo: `<name>--<metric>=…-step=<N>-consumed_samples=…`, a folder with `weights/` (NeMo 2) or a `.ckpt` (NeMo 1).

An empty file `<name>-unfinished` beside it is there from before the first byte until after the last.

Invariant: with that marker it is not complete. `…-last` is an alias while a checkpoint of the same name without it is
there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from replicator.layouts.candidate import Certainty, Settle
from replicator.layouts.dcp import dcp_fault, parts_of
from replicator.layouts.renaming import aliased
from replicator.layouts.steps import step_in
from replicator.layouts.wholeness import files_fault

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

WEIGHTS = "weights"
UNFINISHED = "-unfinished"
NAMED = re.compile(r".+--.+=.+(-last)?(\.ckpt)?", re.DOTALL)
LAST = re.compile(r"(.+)-last", re.DOTALL)


class NemoLayout:
    name = "nemo"

    def judge(self, place: Place) -> Candidate | None:
        bare = place.name.removesuffix(".ckpt").removesuffix("-EMA")
        marked = f"{bare}{UNFINISHED}" in place.names
        known = NAMED.fullmatch(place.name) is not None or (place.alone and place.inside("context"))
        if not marked and not (known and (place.is_file or place.inside(WEIGHTS) or _is_ranked(place))):
            return None
        fault = f"`{bare}{UNFINISHED}` is there: it is being written" if marked else _fault(place)
        last = LAST.fullmatch(bare)
        judged = place.judged(
            self.name, step_in(last[1] if last else place.name), fault, f"no `{UNFINISHED}` marker, and all files whole",
            certainty=Certainty.DECLARED, settle=Settle.TWO_LOOKS,
        )  # fmt: skip
        is_last = last is not None and bool({last[1], f"{last[1]}.ckpt"} & place.names)
        return aliased(judged, is_last=is_last)

    def resume(self, path: Path, step: int) -> str:
        del step
        if path.is_dir() and (path / WEIGHTS).is_dir():
            return f"nemo.lightning.AutoResume(resume_from_path={str(path)!r})"
        found = min(path.glob("*.ckpt"), default=path) if path.is_dir() else path
        return f"exp_manager.resume_if_exists=true exp_manager.resume_from_checkpoint={str(found)!r}"


def _is_ranked(place: Place) -> bool:
    """NeMo 1 puts model-parallel ranks, or a distributed checkpoint, into a folder of that name."""
    return bool(parts_of(place.listing)) or any(name.endswith(".ckpt") for name in place.listing.files)


def _fault(place: Place) -> str | None:
    files = place.listing.files
    if place.inside(WEIGHTS) and not {f"{WEIGHTS}/.metadata", f"{WEIGHTS}/metadata.json"} & set(files):
        return f"`{WEIGHTS}/metadata.json` missing"
    folder = place.path.parent if place.is_file else place.path
    return dcp_fault(place.path, place.listing) or files_fault(folder, place.listing)
