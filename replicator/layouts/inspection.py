"""One explicit folder or file, judged by the first layout that knows it.

Invariant: what no layout knows is taken as it is, and says so: only its owner can tell whether it is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.layouts.candidate import Candidate
from replicator.layouts.dcp import is_dcp, judge_dcp
from replicator.layouts.folders import judged
from replicator.layouts.listing import list_files
from replicator.layouts.plain import SUFFIX, is_plain, judge_plain, judge_plain_file
from replicator.layouts.steps import step_of

if TYPE_CHECKING:
    from pathlib import Path

OPAQUE = "opaque: taken as it is"


def inspect(path: Path) -> Candidate:
    """The candidate at `path`, which need not have a step in its name. Never raises for what it finds there."""
    if path.is_file():
        known = judge_plain_file(path) if path.suffix == SUFFIX else None
        return known or Candidate(path, step_of(path.stem), (path.name,), complete=True, why=OPAQUE)
    if not path.is_dir():
        return Candidate(path, step_of(path.name), (), complete=False, why=f"`{path.name}` is no file and no folder")
    listing = list_files(path)
    if is_dcp(listing):
        return judge_dcp(path, listing)
    if is_plain(listing):
        return judge_plain(path, listing)
    return judged(path, listing, None if listing.files else "the folder holds no files", OPAQUE)
