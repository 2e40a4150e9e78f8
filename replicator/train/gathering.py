"""A rank's own small files, brought to rank 0's folder where the nodes share none.

Rank 0 ships what lies in its folder; with folders of the nodes' own, that lacks what each rank alone saved beside the
model. Those files are small, and the ranks are connected while they train, so they are sent along: no file is guessed,
each rank offers what it names itself, and nothing that is there already is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.train import ranks
from replicator.train.targets import log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch.distributed import ProcessGroup

LARGEST_BYTES = 32 << 20
"""Of one file: a random state is a few kilobytes for each device."""


def gather(folder: Path, names: Sequence[str], group: ProcessGroup | None) -> None:
    """Every rank calls it, each with the names of its own files in its `folder`; rank 0's then holds all of them.

    Never raises, as the others would wait for a rank that did: what cannot be had is logged, and missing.
    """
    wanted = ranks.rank0_lacks(lambda name: not (folder / name).exists(), names, group)
    found = {name: content for name in names if name in wanted and (content := _read(folder / name)) is not None}
    for sent in ranks.collected(found, group):
        for name, content in sent.items():
            _write(folder / name, content)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= LARGEST_BYTES else None
    except OSError as error:
        log.error("%s could not be read: %s", path, error)
        return None


def _write(path: Path, content: bytes) -> None:
    """As the trainer would have, had it seen this folder; whoever looks meanwhile sees the whole file or none."""
    staged = path.with_name(f".{path.name}.tmp")
    try:
        staged.write_bytes(content)
        staged.replace(path)
    except OSError as error:
        log.error("%s of another rank could not be written: %s", path, error)
