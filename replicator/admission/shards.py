"""Whether shards hold what their index says (`*.index.json`).

Invariant: only what was read is judged. A shard that stayed opaque is not said to lack a tensor.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from replicator.admission.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

NAMED = 3


def judge_index(
    index: str, shard_of: Mapping[str, str], files: Collection[str], held: Iterable[tuple[str, str]]
) -> list[Finding]:
    """`shard_of`: per tensor the file that `index` names. `held`: (tensor, file) as the files themselves say.

    Tensors that share their bytes have one name in a `torch.save` archive: there none is said to be missing.
    """
    where: defaultdict[str, set[str]] = defaultdict(set)
    read: set[str] = set()
    for tensor, file in held:
        where[tensor].add(file)
        read.add(file)
    gone = sorted(set(shard_of.values()) - set(files))
    wrong = sorted(name for name, shard in shard_of.items() if where[name] and shard not in where[name])
    absent = sorted(
        name for name, shard in shard_of.items() if not where[name] and shard in read and shard.endswith(".safetensors")
    )
    found = [Finding("index", None, f"`{shard}` is missing, and `{index}` names it") for shard in gone]
    if wrong:
        there = ", ".join(f"{name} lies in `{min(where[name])}`, not in `{shard_of[name]}`" for name in wrong[:NAMED])
        found.append(Finding("index", wrong[0], f"`{index}`: {len(wrong)} tensors in the wrong shard: {there}"))
    if absent:
        named = ", ".join(absent[:NAMED])
        found.append(Finding("index", absent[0], f"`{index}`: {len(absent)} tensors in no shard: {named}"))
    return found
