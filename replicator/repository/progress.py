"""How far a push has come at one destination, so that it goes on there, also in another process.

A pack is noted with the blocks in it before it is sent. A resumed push asks the store for each, and names the blocks of
those that are there whole instead of sending them, however it would now encode, pack or lean. Invariant: what is noted
belongs to this push alone (its salt), and is relied on only once the store has said that it is there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from replicator.model import PackRef
from replicator.repository.manifest import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    size_bytes: int
    blocks: tuple[tuple[str, int, int, int, str], ...]
    """Digest, size, offset in the pack, encoded size, coder."""


@dataclass(slots=True)
class Progress:
    """In memory only, for as long as the process lives. `pack_bytes` says how large the next pack may be."""

    pack_bytes: Callable[[], int] | None = None
    packs: list[tuple[PackRef, tuple[Block, ...]]] = field(default_factory=list[tuple[PackRef, tuple[Block, ...]]])

    def note(self, pack: PackRef, blocks: Sequence[Block]) -> None:
        """The pack is about to be sent; the blocks' pack index means nothing here."""
        self.packs.append((pack, tuple(blocks)))


class KeptProgress(Progress):
    """In a file too, a line for each pack. A line that a crash cut short is none."""

    __slots__ = ("_file",)

    def __init__(self, file: Path, pack_bytes: Callable[[], int] | None = None) -> None:
        super().__init__(pack_bytes)
        self._file = file
        lines = file.read_text().splitlines() if file.exists() else []
        for line in lines:
            try:
                read = _Line.model_validate_json(line)
            except ValidationError:
                continue
            blocks = (Block(d, size, 0, at, stored, coder) for d, size, at, stored, coder in read.blocks)
            self.packs.append((PackRef(digest=read.digest, size_bytes=read.size_bytes), tuple(blocks)))

    def note(self, pack: PackRef, blocks: Sequence[Block]) -> None:
        super().note(pack, blocks)
        rows = [(b.digest, b.size_bytes, b.offset, b.stored_bytes, b.coder) for b in blocks]
        line = json.dumps({"digest": pack.digest, "size_bytes": pack.size_bytes, "blocks": rows})
        with self._file.open("a") as file:
            file.write(f"\n{line}\n")
