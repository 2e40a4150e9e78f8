"""Accelerate: folders of `accelerator.save_state`, told by the `random_states_<rank>.pkl` that each rank writes last.

Invariant: custom objects may follow, and nothing says how many ranks there are, so the folder must be quiet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from replicator.layouts.candidate import Settle
from replicator.layouts.dcp import dcp_fault
from replicator.layouts.steps import step_in
from replicator.layouts.wholeness import files_fault

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

RANDOM = re.compile(r"random_states_[0-9]+\.pkl", re.ASCII)


class AccelerateLayout:
    name = "accelerate"

    def judge(self, place: Place) -> Candidate | None:
        if place.is_file or not any(RANDOM.fullmatch(name) for name in place.top()):
            return None
        fault = dcp_fault(place.path, place.listing) or files_fault(place.path, place.listing)
        return place.judged(self.name, step_in(place.name), fault, "quiet, every file whole", settle=Settle.QUIET)

    def resume(self, path: Path, step: int) -> str:
        del step
        return f"accelerator.load_state({str(path)!r})"
