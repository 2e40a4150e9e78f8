"""Files of `torch.save`: `<anything><step>.pt` (`.pth`, `.bin`, …), or folders `<anything><step>` that hold some.

Invariant: complete means that every archive ends with its directory, which `torch.save` writes last. Nothing says how
many files a folder gets, so a folder must be quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.layouts.candidate import Settle
from replicator.layouts.safetensors import first_file
from replicator.layouts.steps import STRONG, step_in
from replicator.layouts.wholeness import ARCHIVES, archive_fault, files_fault, is_archive

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place


class TorchSaveLayout:
    name = "torch.save"

    def judge(self, place: Place) -> Candidate | None:
        step = step_in(place.name)
        if place.is_file:
            folder = place.path.parent
            if not place.name.endswith(ARCHIVES) or not is_archive(folder, place.name):
                return None
            return place.judged(self.name, step, archive_fault(folder, place.name), "a whole archive that stands still")
        anywhere = place.alone or STRONG.match(place.name)
        names = place.listing.files if anywhere else place.top()
        archives = [name for name in names if name.endswith(ARCHIVES)]
        if place.is_run() or not any(is_archive(place.path, name) for name in archives):
            return None
        fault = files_fault(place.path, place.listing)
        return place.judged(self.name, step, fault, "quiet, every archive whole", settle=Settle.QUIET)

    def resume(self, path: Path, step: int) -> str:
        del step
        found = next((each for suffix in ARCHIVES if (each := first_file(path, suffix)) != path), path)
        return f"torch.load({str(found)!r})"
