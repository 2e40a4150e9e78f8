"""A place that may hold a checkpoint: a folder or a file, what is in it, and what lies beside it.

Invariant: links are never places (`latest -> step-40` is another name, not another checkpoint), and neither are
dotfiles and names that say that the thing is not finished (`*.tmp`, `tmp-*`, `*.partial`, …). Of files beside a place
no more is read than `MAX_TEXT_BYTES`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.formats.errors import FormatError
from replicator.formats.source import open_source
from replicator.layouts.candidate import Candidate, Certainty, Settle
from replicator.layouts.listing import is_content, list_file, list_files
from replicator.layouts.steps import SHARD_OF, STRONG, step_in

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.listing import Listing

MAX_TEXT_BYTES = 64 << 10
UNFINISHED = re.compile(r"(tmp|temp)[-_].*|.*(\.tmp.*|\.part|\.partial|\.incomplete|-unfinished|\.lock|~)", re.DOTALL)
LAST = re.compile(r"(.*-)?last(-v[0-9]+)?(\.ckpt)?", re.DOTALL)
VERSION = re.compile(r"version_[0-9]+", re.ASCII)
SAVED_BELOW = "checkpoints"


@dataclass(frozen=True, slots=True)
class Place:
    path: Path
    listing: Listing
    is_file: bool
    names: frozenset[str]
    """Names of what lies beside it, itself included; empty if it was asked for alone."""
    alone: bool = False
    """Asked for by itself (a push, a restored checkpoint): trackers beside it may be missing."""

    @property
    def name(self) -> str:
        return self.path.name

    def top(self) -> list[str]:
        """The files that lie directly in it."""
        return [name for name in self.listing.files if "/" not in name]

    def inside(self, folder: str) -> bool:
        return any(name.startswith(f"{folder}/") for name in self.listing.files)

    def newest_ns(self) -> int:
        return max((fact.mtime_ns for fact in self.listing.facts.values()), default=0)

    def beside(self, name: str) -> tuple[str, int] | None:
        """Text and time of a small file beside the place; None if it is absent or no such file."""
        if name not in self.names:
            return None
        text = read_text(self.path.parent, name)
        if text is None:
            return None
        try:
            return text, (self.path.parent / name).stat().st_mtime_ns
        except OSError:
            return None

    def judged(
        self,
        layout: str,
        step: int | None,
        fault: str | None,
        why: str,
        *,
        certainty: Certainty = Certainty.INFERRED,
        settle: Settle = Settle.TWO_LOOKS,
    ) -> Candidate:
        """A candidate that is complete if neither its listing nor its layout found a fault."""
        reason = self.listing.fault or fault
        return Candidate(
            self.path, step, self.listing.files, reason is None, reason or why, layout, certainty, settle,
            folders=self.listing.folders,
        )  # fmt: skip

    def is_run(self) -> bool:
        """Whether it rather is a run's folder that holds checkpoints: its own name would pass for one's by chance."""
        if self.alone or STRONG.match(self.name):
            return False
        parts = (name.split("/") for name in self.listing.files)
        return any(STRONG.match(each) for path in parts for each in path[:-1]) or any(
            name.endswith(".ckpt") for name in self.listing.files
        )


def read_text(folder: Path, name: str, limit_bytes: int = MAX_TEXT_BYTES) -> str | None:
    """A small file's text; None if there is none, it is larger, or no text."""
    try:
        with open_source(folder, name) as source:
            return source.read(0, source.size_bytes).decode() if source.size_bytes <= limit_bytes else None
    except (FormatError, ValueError):
        return None


def place_at(path: Path, *, alone: bool = False, names: frozenset[str] | None = None) -> Place:
    """The folder or file at `path` as a place. Never raises for what it finds there."""
    is_file = path.is_file()
    listing = list_file(path) if is_file else list_files(path)
    return Place(path, listing, is_file, _names(path.parent) if names is None else names, alone)


def places(root: Path) -> list[Place]:
    """What in a watched folder may be a checkpoint by its name; none while the folder does not exist.

    Lightning begins a folder `version_N/checkpoints` at each start of a run: these belong to the folder above.
    """
    found = _places_in(root)
    for version in sorted(path for path in _entries(root) if VERSION.fullmatch(path.name) and path.is_dir()):
        found += _places_in(version / SAVED_BELOW)
    return found


def loose_files(root: Path) -> list[Path]:
    """The files directly in a folder whose names say no step."""
    return [path for path in _entries(root) if path.is_file() and step_in(path.name) is None]


def _places_in(root: Path) -> list[Place]:
    names = _names(root)
    return [place_at(path, names=names) for path in _entries(root) if _may_hold(path)]


def _may_hold(path: Path) -> bool:
    name = path.name
    named = step_in(name) is not None or LAST.fullmatch(name) is not None or name == "release"
    return name.endswith(".ckpt") or (named and not SHARD_OF.search(path.stem))


def _entries(root: Path) -> list[Path]:
    try:
        return sorted(
            path
            for path in root.iterdir()
            if is_content(path.name) and not UNFINISHED.fullmatch(path.name) and not path.is_symlink()
        )
    except (FileNotFoundError, NotADirectoryError):
        return []


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()
