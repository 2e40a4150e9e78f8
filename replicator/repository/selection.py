"""Which files of a checkpoint are wanted: by glob, or those that given ranks need. Pure decisions on names.

A file that names no rank belongs to all of them. Of a DCP checkpoint the files that hold what every rank reads (items
that are not sharded) go with each rank's own, so that the ranks asked for can load what they saved; another number of
ranks needs the whole checkpoint, which DCP's own reader then reshards.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from replicator.errors import PartRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from replicator.repository.manifest import Manifest, TensorEntry

_RANKED = (
    re.compile(r"(?:^|/)__(\d+)_\d+\.distcp$"),
    re.compile(r"(?:^|/)(?:rng_state|random_states|optimizer|pytorch_model_fsdp)_(\d+)\.(?:pth|pkl|bin|pt)$"),
    re.compile(r"(?:^|/)(?:bf16_|fp16_)?zero_pp_rank_(\d+)_mp_rank_\d+_\w+\.pt$"),
    re.compile(r"(?:^|[/_.-])rank[_-]?(\d+)(?=[/_.-]|$)"),
)
_DCP = re.compile(r"(?:^|/)__\d+_\d+\.distcp$")


def rank_of(path: str) -> int | None:
    """The rank that a file's name says, as trainers write them; None where it says none."""
    for pattern in _RANKED:
        if match := pattern.search(path):
            return int(match[1])
    return None


def files_like(manifest: Manifest, globs: Sequence[str]) -> set[str]:
    """Files that any of the globs matches (`*` crosses folders). PartRefused for a glob that matches none."""
    chosen: set[str] = set()
    for glob in globs:
        found = {file.path for file in manifest.files if fnmatchcase(file.path, glob)}
        if not found:
            raise PartRefused(f"no file of the checkpoint matches {glob!r}", hint=_some(f.path for f in manifest.files))
        chosen |= found
    return chosen


def files_of_ranks(manifest: Manifest, ranks: Collection[int]) -> set[str]:
    """What these ranks need to load what they saved. PartRefused where names do not tell, or a rank is not there."""
    by_file = {file.path: rank_of(file.path) for file in manifest.files}
    there = sorted({rank for rank in by_file.values() if rank is not None})
    if not there:
        raise PartRefused(
            "no file of this checkpoint is one rank's own: every rank needs all of it",
            hint="Restore it without --ranks.",
        )
    strangers = sorted(set(ranks) - set(there))
    if strangers:
        raise PartRefused(
            f"it was saved by ranks {_listed(there)}; there is no rank {_listed(strangers)}",
            hint="To load it on another number of ranks restore it without --ranks: DCP reshards what is whole.",
        )
    chosen = {path for path, rank in by_file.items() if rank is None or rank in ranks}
    return chosen | _shared_dcp(manifest)


def _shared_dcp(manifest: Manifest) -> set[str]:
    """DCP files with an item that any rank may read: an object, or a tensor that is not a part of a larger one."""
    dcp = {file.path for file in manifest.files if _DCP.search(file.path)}
    shared = {t.file for t in manifest.tensors if t.file in dcp and not _is_shard(t)}
    unread = {path for path in dcp if all(tensor.file != path for tensor in manifest.tensors)}
    return shared | unread


def _is_shard(tensor: TensorEntry) -> bool:
    return tensor.global_shape is not None and tensor.global_shape != tensor.shape


def tensors_like(manifest: Manifest, globs: Sequence[str]) -> list[TensorEntry]:
    """Tensors (and shards) whose names match. PartRefused for a glob that matches none."""
    tensors = [tensor for tensor in manifest.tensors if tensor.dtype != "bytes"]
    chosen: list[TensorEntry] = []
    for glob in globs:
        found = [tensor for tensor in tensors if fnmatchcase(tensor.name, glob)]
        if not found:
            names = sorted({tensor.name for tensor in tensors})
            hint = _some(names) if names else "Its format is opaque here: restore files instead, with --files."
            raise PartRefused(f"no tensor of the checkpoint matches {glob!r}", hint=hint)
        chosen += [tensor for tensor in found if tensor not in chosen]
    return chosen


def _some(names: Iterable[str]) -> str:
    shown = sorted(names)
    return f"There are: {', '.join(shown[:10])}{' …' if len(shown) > 10 else ''}"  # noqa: PLR2004


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)
