"""All layouts behind one contract: what in a folder is a checkpoint, one explicit path, how to resume.

Invariant: a place belongs to the first layout in the list that knows it, so that what says most of itself comes first;
what no layout knows is taken as it is, and says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.layouts.accelerate import AccelerateLayout
from replicator.layouts.candidate import Candidate, Settle
from replicator.layouts.dcp import DcpLayout
from replicator.layouts.deepspeed import DeepSpeedLayout
from replicator.layouts.huggingface import HuggingFaceLayout
from replicator.layouts.lightning import LightningLayout
from replicator.layouts.listing import list_file
from replicator.layouts.megatron import MegatronLayout
from replicator.layouts.nemo import NemoLayout
from replicator.layouts.place import Place, loose_files, place_at, places
from replicator.layouts.quiet import QuietLayout
from replicator.layouts.safetensors import SafetensorsLayout
from replicator.layouts.torch_save import TorchSaveLayout
from replicator.layouts.torchtitan import TorchtitanLayout

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Layout
    from replicator.layouts.listing import FileFact

LAYOUTS: tuple[Layout, ...] = (
    HuggingFaceLayout(), NemoLayout(), LightningLayout(), MegatronLayout(), DeepSpeedLayout(), TorchtitanLayout(),
    AccelerateLayout(), DcpLayout(), SafetensorsLayout(), TorchSaveLayout(), QuietLayout(),
)  # fmt: skip
_SINGLE = tuple(layout for layout in LAYOUTS if layout.name in {"safetensors", "torch.save"})
"""Layouts of files that a trainer may save under one name again and again."""


def find(root: Path) -> list[Candidate]:
    """Every checkpoint in a run's folder, torn ones too, by step and then name; none while it does not exist.

    What has no step in its name counts only where nothing else does: as one checkpoint, rewritten in place.
    """
    judged = [each for place in places(root) if (each := judge(place)) is not None]
    stepped = [each for each in judged if each.step is not None and not each.alias]
    if stepped:
        return sorted(stepped, key=lambda each: (each.step or 0, each.path.name))
    return [replace(each, step=None, alias=False) for each in judged if each.alias][:1] or _rewritten(root)


def judge(place: Place) -> Candidate | None:
    return next((each for layout in LAYOUTS if (each := layout.judge(place)) is not None), None)


def inspect(path: Path) -> Candidate:
    """The candidate at `path`, which need not have a step in its name. Never raises for what it finds there."""
    if not path.is_file() and not path.is_dir():
        return Candidate(path, None, (), complete=False, why=f"`{path.name}` is no file and no folder")
    judged = judge(place_at(path, alone=True))
    assert judged is not None  # noqa: S101 - the last layout takes whatever was asked for by itself
    return judged


def resume_command(path: Path, name: str, step: int) -> tuple[str, str]:
    """(layout, what to type or to call) to go on from the checkpoint `name` that was restored to the folder `path`.

    A checkpoint that was one file is that file in the folder.
    """
    single = path / name
    where = single if single.is_file() else path
    layout = inspect(where).layout
    return layout, next(each for each in LAYOUTS if each.name == layout).resume(where, step)


def _rewritten(root: Path) -> list[Candidate]:
    """The files of weights directly in `root` whose names say no step, as one checkpoint."""
    alone = [Place(path, list_file(path), is_file=True, names=frozenset()) for path in loose_files(root)]
    files = [each for place in alone for layout in _SINGLE if (each := layout.judge(place)) is not None]
    if not files:
        return []
    facts: dict[str, FileFact] = {name: fact for place in alone for name, fact in place.listing.facts.items()}
    names = tuple(sorted(name for each in files for name in each.files if name in facts))
    fault = next((each.why for each in files if not each.complete), None)
    return [
        Candidate(
            root, None, names, fault is None, fault or "whole, quiet, and saved again under the same names",
            files[0].layout, settle=Settle.QUIET, rewritten=True,
        )
    ]  # fmt: skip
