"""torchtitan: `<dump_folder>/checkpoint/step-<N>`, a DCP folder that holds `train_state`.

Invariant: what is complete is what DCP says; the name, without leading zeros, and `train_state` tell it from another
program's DCP folders, which its `--checkpoint.load_step` would not load.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from replicator.layouts.candidate import Certainty, Settle
from replicator.layouts.dcp import dcp_fault, holds_item

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

NAME = re.compile(r"step-(0|[1-9][0-9]{0,17})", re.ASCII)


class TorchtitanLayout:
    name = "torchtitan"

    def judge(self, place: Place) -> Candidate | None:
        named = NAME.fullmatch(place.name)
        if place.is_file or (named is None and not place.alone):
            return None
        if not holds_item(place.path, place.listing, "train_state"):
            return None
        return place.judged(
            self.name, int(named[1]) if named else None, dcp_fault(place.path, place.listing),
            "every file that `.metadata` names is there", certainty=Certainty.DECLARED, settle=Settle.AT_ONCE,
        )  # fmt: skip

    def resume(self, path: Path, step: int) -> str:
        folder, run = shlex.quote(path.parent.name), shlex.quote(str(path.parent.parent))
        renamed = "" if path.name == f"step-{step}" else f"; the folder renamed to step-{step}"
        return (
            f"MODULE=… CONFIG=… ./run_train.sh --dump_folder {run} --checkpoint.enable --checkpoint.folder {folder} "
            f"--checkpoint.load_step {step}   # with a CONFIG_FILE in TOML: --job.dump_folder{renamed}"
        )
