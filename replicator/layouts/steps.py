"""The step in a checkpoint's name: the digits at its end, as in `step-00000040`, `global_step40` or `iter_0000040`."""

from __future__ import annotations

import re

TRAILING_DIGITS = re.compile(r"(?<![0-9])[0-9]{1,18}\Z", re.ASCII)
SHARD_OF = re.compile(r"-[0-9]+-of-[0-9]+\Z", re.ASCII)


def step_of(name: str) -> int | None:
    """The step that a folder's name, or a file's without its suffix, ends in; None for a shard `…-00001-of-00003`."""
    found = TRAILING_DIGITS.search(name)
    return None if found is None or SHARD_OF.search(name) else int(found[0])
