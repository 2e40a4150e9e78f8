"""Walking a watched folder: what in it has a name that ends in a step.

Invariant: links are never candidates (`latest -> step-40` is another name, not another checkpoint), and neither are
dotfiles or `*.tmp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.layouts.candidate import Candidate
from replicator.layouts.listing import is_content
from replicator.layouts.steps import step_of

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.listing import Listing


def stepped_folders(root: Path) -> list[tuple[Path, int]]:
    """Subfolders of `root` and the steps that their names end in; none while `root` does not exist."""
    found = ((path, step_of(path.name)) for path in _contents(root) if path.is_dir())
    return [(path, step) for path, step in found if step is not None]


def stepped_files(root: Path, suffix: str) -> list[tuple[Path, int]]:
    """Files of `root` with this suffix and the steps that their names end in before it."""
    found = ((path, step_of(path.stem)) for path in _contents(root) if path.suffix == suffix and path.is_file())
    return [(path, step) for path, step in found if step is not None]


def by_step(candidates: list[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: (candidate.step or 0, candidate.path.name))


def judged(path: Path, listing: Listing, fault: str | None, why: str) -> Candidate:
    """A candidate that is complete if neither its listing nor its layout found a fault."""
    reason = listing.fault or fault
    return Candidate(path, step_of(path.name), listing.files, reason is None, reason or why)


def _contents(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if is_content(path.name) and not path.is_symlink())
    except FileNotFoundError:
        return []
