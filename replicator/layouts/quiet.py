"""What no other layout knows: stepped folders and files of weights, taken once they have been quiet.

Invariant: nothing here says that they are whole; whoever takes them says `inferred`.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from replicator.layouts.candidate import Settle
from replicator.layouts.steps import STRONG, SUFFIXES, step_in

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.candidate import Candidate
    from replicator.layouts.place import Place

OPAQUE = "opaque: taken as it is"


class QuietLayout:
    name = "quiet"

    def judge(self, place: Place) -> Candidate | None:
        if place.is_file:
            known = place.alone or PurePath(place.name).suffix in SUFFIXES
        else:
            names = place.listing.files if STRONG.match(place.name) else place.top()
            weights = any(PurePath(name).suffix in SUFFIXES for name in names)
            known = place.alone or (weights and not place.is_run())
        if not known:
            return None
        fault = None if place.listing.files else "the folder holds no files"
        return place.judged(self.name, step_in(place.name), fault, OPAQUE, settle=Settle.QUIET)

    def resume(self, path: Path, step: int) -> str:
        del step
        return f"point your program at {path}"
