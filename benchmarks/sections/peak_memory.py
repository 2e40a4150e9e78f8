"""The most memory that a push and a restore ever hold, by the size of the file."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.peers.keeper import prepare, push, restore
from benchmarks.peers.ours import Replicator
from benchmarks.report import Section, Table, Verdict, mebibytes

if TYPE_CHECKING:
    from benchmarks.stage import Stage

MOST_BYTES = 256 << 20
CONDITIONS = (
    "The resident set at its greatest, as the kernel counted it for the real process. `imports` is the same process with a "
    "checkpoint of a kilobyte: Python and the libraries. Blocks of these files differ from each other and compress well, so "
    "that a file of 10 GB is many blocks and a small repository. `opaque` has no tensors: it is cut by content."
)


def peak_memory(stage: Stage, sizes: tuple[int, ...]) -> Section:
    """`sizes` in bytes, of single files."""
    rows: list[tuple[str, ...]] = []
    most = 0
    for encrypted in (True,):
        keeper = Replicator(encrypted=encrypted)
        for kind, size_bytes in (
            ("imports", 1024),
            *((kind, size) for size in sizes for kind in ("counted", "opaque")),
        ):
            pushed, restored = _peaks(stage, keeper, kind, size_bytes)
            rows.append((keeper.name, kind, mebibytes(size_bytes), mebibytes(pushed), mebibytes(restored)))
            most = max(most, pushed, restored)
    return Section(
        "Memory",
        CONDITIONS,
        (Table(("repository", "file", "size", "push", "restore"), tuple(rows)),),
        (
            Verdict(
                f"push and restore of a file of {mebibytes(max(sizes))}: at most {mebibytes(MOST_BYTES)}, all told",
                mebibytes(most),
                reached=most <= MOST_BYTES,
            ),
        ),
    )


def _peaks(stage: Stage, keeper: Replicator, kind: str, size_bytes: int) -> tuple[int, int]:
    world, folder, to = stage.world("memory"), stage.work / "memory", stage.work / "restored"
    shutil.rmtree(folder, ignore_errors=True)
    prepare(keeper, world)
    if kind == "imports":
        folder.mkdir()
        (folder / "small.bin").write_bytes(bytes(range(256)) * (size_bytes // 256))
    else:
        name = "file.bin" if kind == "opaque" else "model.safetensors"
        stage.make("benchmarks.series.filled", kind, str(size_bytes), "1", str(folder / name))
    pushed = push(keeper, world, folder, 1)
    shutil.rmtree(folder)
    restored = restore(keeper, world, to)
    shutil.rmtree(to)
    shutil.rmtree(world.folder)
    return pushed.peak_bytes, restored.peak_bytes
