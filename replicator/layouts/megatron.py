"""Megatron-LM: `<save>/iter_<7 digits>` or `release`, and `latest_checkpointed_iteration.txt` written last beside them.

Both formats: `mp_rank_…/model_optim_rng.pt` (torch), and `.metadata`, `common.pt`, `metadata.json` (torch_dist).

Invariant: an iteration is complete only if the tracker names it or a later one, and its files are whole. One with
files newer than the tracker that names it is being written again, and must be quiet first.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.layouts.candidate import Certainty, Settle
from replicator.layouts.dcp import dcp_fault
from replicator.layouts.wholeness import files_fault

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

NAME = re.compile(r"iter_([0-9]{7,18})", re.ASCII)
RELEASE = "release"
TRACKER = "latest_checkpointed_iteration.txt"
RANK = re.compile(r"mp_rank_([0-9]{2,})(_[0-9]{3})?(_[0-9]{3})?/.*\.pt", re.ASCII)
COMMON = "common.pt"


class MegatronLayout:
    name = "megatron"

    def judge(self, place: Place) -> Candidate | None:
        named = NAME.fullmatch(place.name)
        if place.is_file or not (named or place.name == RELEASE or place.alone) or not _is_mine(place):
            return None
        step = int(named[1]) if named else (0 if place.name == RELEASE else None)
        tracker = place.beside(TRACKER)
        fault = _tracker_fault(place, step, tracker) or _fault(place)
        judged = place.judged(
            self.name, step, fault, f"`{TRACKER}` names it or a later one",
            certainty=Certainty.DECLARED, settle=Settle.TWO_LOOKS,
        )  # fmt: skip
        if tracker is None or place.newest_ns() > tracker[1]:
            return replace(judged, certainty=Certainty.INFERRED, settle=Settle.QUIET)
        return judged

    def resume(self, path: Path, step: int) -> str:
        root, named = shlex.quote(str(path.parent)), path.name == RELEASE
        value = RELEASE if named else str(step)
        wanted = RELEASE if named else f"iter_{step:07d}"
        rename = "" if path.name == wanted else f"mv {shlex.quote(str(path))} {root}/{wanted} && "
        return f"{rename}echo {value} > {root}/{TRACKER} && torchrun … pretrain_gpt.py … --load {root}"


def _is_mine(place: Place) -> bool:
    files = place.listing.files
    torch_dist = COMMON in files or ("metadata.json" in files and not place.alone)
    return torch_dist or any(RANK.fullmatch(name) for name in files) or _is_beginning(place)


def _is_beginning(place: Place) -> bool:
    """Named as Megatron does, with only DCP files so far."""
    return NAME.fullmatch(place.name) is not None and any(name.endswith(".distcp") for name in place.listing.files)


def _tracker_fault(place: Place, step: int | None, tracker: tuple[str, int] | None) -> str | None:
    if tracker is None:
        return None if place.alone else f"`{TRACKER}` missing: it is written when the first save is finished"
    said = tracker[0].strip()
    if said == RELEASE:
        return None if place.name == RELEASE else f"`{TRACKER}` names `{RELEASE}`"
    if not said.isascii() or not said.isdigit():
        return f"`{TRACKER}` unreadable: {said[:40]!r} is no iteration"
    return f"`{TRACKER}` names {int(said)}: this one is not finished" if (step or 0) > int(said) else None


def _fault(place: Place) -> str | None:
    files = place.listing.files
    if COMMON in files or any(name.endswith(".distcp") for name in files):
        missing = next((name for name in (COMMON, "metadata.json") if name not in files), None)
        if missing is not None:
            return f"`{missing}` missing"
    return _rank_fault(place) or dcp_fault(place.path, place.listing) or files_fault(place.path, place.listing)


def _rank_fault(place: Place) -> str | None:
    """Tensor-parallel ranks count from 0 without a gap."""
    ranks = {int(found[1]) for name in place.listing.files if (found := RANK.fullmatch(name))}
    missing = next((rank for rank in range(max(ranks, default=-1)) if rank not in ranks), None)
    return None if missing is None else f"`mp_rank_{missing:02d}` missing"
