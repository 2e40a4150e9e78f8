"""What a layout says about one place in a watched folder.

Invariant: `complete` is about form: all files that the checkpoint's own headers and markers name are there at their
length. It cannot see a rewrite in place, so whoever watches also waits as `settle` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.layouts.place import Place


class Certainty(StrEnum):
    DECLARED = "declared"
    """The framework's own marker says that the checkpoint is finished."""
    INFERRED = "inferred"
    """Nothing says so: it was whole in form, or quiet."""


class Settle(StrEnum):
    """How long a complete checkpoint must stand unchanged before it is taken."""

    AT_ONCE = "at once"
    """Its last file is written after all others."""
    TWO_LOOKS = "two looks"
    """Unchanged from one look to the next."""
    QUIET = "quiet"
    """Unchanged for the watcher's quiet time: nothing in it tells whether it is whole."""


@dataclass(frozen=True, slots=True)
class Candidate:
    path: Path
    """The checkpoint's folder, or its one file."""
    step: int | None
    """None where no name says it; whoever watches then counts saves."""
    files: tuple[str, ...]
    """Posix paths relative to the folder, sorted; the file's own name where `path` is a file."""
    complete: bool
    why: str
    """Why it is complete, or the first reason why it is not."""
    layout: str = ""
    certainty: Certainty = Certainty.INFERRED
    settle: Settle = Settle.TWO_LOOKS
    rewritten: bool = False
    """Whether the trainer saves the next one into these very files, so that a hard link would not keep this one."""
    folders: tuple[str, ...] = ()
    """Those that hold nothing, relative to `path`."""
    alias: bool = False
    """Whether it only is another name of a checkpoint beside it, as `last.ckpt` is."""


class Layout(Protocol):
    """One framework's way to lay checkpoints out. Deciding needs names, sizes, times and bounded reads only."""

    @property
    def name(self) -> str: ...

    def judge(self, place: Place) -> Candidate | None:
        """What this layout says of the place; None if it is none of its checkpoints, nor about to be one."""
        ...

    def resume(self, path: Path, step: int) -> str:
        """What to type, or to call, so that training goes on from the checkpoint at `path`."""
        ...
