"""What a layout says about one place in a watched folder.

Invariant: `complete` is about form: all files that the checkpoint's own headers name are there at their length. It
cannot see a rewrite in place, so whoever watches also waits until names, lengths and times have stood still.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Candidate:
    path: Path
    """The checkpoint's folder, or its one file."""
    step: int | None
    files: tuple[str, ...]
    """Posix paths relative to the folder, sorted; the file's own name where `path` is a file."""
    complete: bool
    why: str
    """Why it is complete, or the first reason why it is not."""


class Layout(Protocol):
    def find(self, root: Path) -> list[Candidate]:
        """Every place below `root` that this layout takes for a checkpoint, torn ones too, by step and then name."""
        ...
