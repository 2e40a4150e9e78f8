"""The step in a checkpoint's name.

`step=40` anywhere in it (Lightning, NeMo), else the digits at its end, as in `step-00000040`, `global_step40` or
`iter_0000040`, else `epoch=3`.
"""

from __future__ import annotations

import re
from pathlib import PurePath

TRAILING_DIGITS = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-9]{1,18}\Z", re.ASCII)
SHARD_OF = re.compile(r"-[0-9]+-of-[0-9]+\Z", re.ASCII)
STEP_NAMED = re.compile(r"(?<![a-z])(?:global_)?step=([0-9]{1,18})(?![0-9])", re.ASCII)
EPOCH_NAMED = re.compile(r"(?<![a-z])epoch=([0-9]{1,18})(?![0-9])", re.ASCII)
VERSION = re.compile(r"-v[0-9]+\Z", re.ASCII)
STRONG = re.compile(
    r"(checkpoint|ckpt|chkpt|global|step|iter|iteration|epoch|update|snapshot)s?[-_=]?(step)?[-_=]?[0-9]+|.*step=[0-9]+",
    re.ASCII | re.IGNORECASE,
)
"""Names that only checkpoints have; `run-3` or `version_0` end in digits too."""
SUFFIXES = frozenset(
    {
        ".safetensors",
        ".ckpt",
        ".pt",
        ".pth",
        ".bin",
        ".nemo",
        ".npz",
        ".npy",
        ".h5",
        ".hdf5",
        ".msgpack",
        ".tar",
        ".keras",
    }
)
"""Of files that hold weights."""


def step_of(name: str) -> int | None:
    """The step that a folder's name, or a file's without its suffix, ends in; None for a shard `…-00001-of-00003`."""
    found = TRAILING_DIGITS.search(name)
    return None if found is None or SHARD_OF.search(name) else int(found[0])


def step_in(name: str) -> int | None:
    """The step that a folder's or a file's name says."""
    bare = name
    while PurePath(bare).suffix in SUFFIXES:
        bare = PurePath(bare).stem
    named = STEP_NAMED.search(bare)
    if named is not None:
        return int(named[1])
    epoch = EPOCH_NAMED.search(bare)
    return int(epoch[1]) if epoch is not None else step_of(VERSION.sub("", bare))
