"""How far a push has come at one destination, so that it goes on there, also in another process.

A pack is noted with the blocks in it before it is sent. A resumed push asks the store for each, and names the blocks of
those that are there whole instead of sending them, however it would now encode, pack or lean. Invariant: what is noted
belongs to this push alone (its salt), and is relied on only once the store has said that it is there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from replicator.disk import is_full
from replicator.lines import warn
from replicator.model import PackRef
from replicator.repository.manifest import Block, PackKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    size_bytes: int = Field(ge=0)
    blocks: tuple[tuple[str, int, int, int, str], ...]
    """Id, size, offset in the pack, encoded size, coder."""
    key: tuple[str, str] | None = None
    """Which key the pack's own is derived from, and its salt, where it is encrypted."""


class Noted(NamedTuple):
    """A pack that was about to be sent; the blocks' pack index means nothing here."""

    pack: PackRef
    blocks: tuple[Block, ...]
    key: PackKey | None


@dataclass(slots=True)
class Progress:
    """In memory only, for as long as the process lives. `pack_bytes` says how large the next pack may be."""

    pack_bytes: Callable[[], int] | None = None
    packs: list[Noted] = field(default_factory=list[Noted])

    def note(self, pack: PackRef, blocks: Sequence[Block], key: PackKey | None = None) -> None:
        """The pack is about to be sent."""
        self.packs.append(Noted(pack, tuple(blocks), key))


class KeptProgress(Progress):
    """In a file too, a line for each pack. A line that a crash cut short is none; a full disk holds no push up."""

    __slots__ = ("_file",)

    def __init__(self, file: Path, pack_bytes: Callable[[], int] | None = None) -> None:
        super().__init__(pack_bytes)
        self._file = file
        lines = file.read_bytes().splitlines() if file.exists() else []
        for line in lines:
            try:
                read = _Line.model_validate_json(line)
            except ValidationError:
                continue
            blocks = (Block(d, size, 0, at, stored, coder) for d, size, at, stored, coder in read.blocks)
            key = None if read.key is None else PackKey(*read.key)
            self.packs.append(Noted(PackRef(digest=read.digest, size_bytes=read.size_bytes), tuple(blocks), key))

    def note(self, pack: PackRef, blocks: Sequence[Block], key: PackKey | None = None) -> None:
        super().note(pack, blocks, key)
        rows = [(b.digest, b.size_bytes, b.offset, b.stored_bytes, b.coder) for b in blocks]
        line = json.dumps({"digest": pack.digest, "size_bytes": pack.size_bytes, "blocks": rows, "key": key})
        try:
            with self._file.open("a") as file:
                file.write(f"\n{line}\n")
        except OSError as error:
            if not is_full(error):
                raise
            warn("a kill now would cost more: not noted what was sent", file=str(self._file), why=error.strerror)
