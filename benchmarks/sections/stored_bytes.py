"""How many bytes a run's checkpoints take, one after the other, beside programs that keep or compress files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.measure import run
from benchmarks.peers.borg import Borg
from benchmarks.peers.keeper import prepare, push
from benchmarks.peers.ours import Replicator
from benchmarks.peers.restic import Restic
from benchmarks.report import Section, Table, mebibytes
from benchmarks.series.cases import cases
from benchmarks.series.trained import size_of
from benchmarks.stage import files_of

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers.keeper import Keeper
    from benchmarks.stage import Stage

CONDITIONS = (
    "Checkpoints of one run are pushed in turn into one repository, then variants of the last; the figure is by how much "
    "the repository grew. `zstd` compresses each file by itself, or, with --patch-from, against the same file of the "
    "checkpoint before: that needs the one before to be read back. rclone copies into its `compress` remote, mode zstd, "
    "level 3: without a level its version 1.76 never ends on these files."
)


def stored_bytes(stage: Stage, series: list[Path]) -> Section:
    """`series`: checkpoints of one run, oldest first, three at least."""
    base, later = series[-2], series[-1]
    again = [
        (case.name, case.folder) for case in cases(stage, base, later) if case.base is not None and case.folder != base
    ]
    pushes = [(f"checkpoint {number}", folder) for number, folder in enumerate(series[:-1], 1)] + again
    columns: dict[str, list[int]] = {"raw": [size_of(folder) for _, folder in pushes]}
    keepers: list[Keeper] = [Replicator()] if stage.quick else [Replicator(), Replicator(encrypted=False)]
    if "restic" in stage.programs and not stage.quick:
        keepers += [Restic(stage.programs["restic"]), Restic(stage.programs["restic"], "max")]
    if "borg" in stage.programs and not stage.quick:
        keepers.append(Borg(stage.programs["borg"]))
    for number, keeper in enumerate(keepers):
        columns[keeper.name] = _kept(stage, keeper, number, [folder for _, folder in pushes])
    if "zstd" in stage.programs:
        for level in ("-1", "-3"):
            columns[f"zstd {level}"] = [_compressed(stage, folder, level) for _, folder in pushes]
        before = [None, *(folder for _, folder in pushes[:1]), *([base] * len(again))]
        columns["zstd -3 --patch-from"] = [
            _compressed(stage, folder, "-3", like) for like, (_, folder) in zip(before, pushes, strict=True)
        ]
    if "rclone" in stage.programs and not stage.quick:
        columns["rclone, zstd"] = [_copied(stage, folder) for _, folder in pushes]
    rows = [(name, *(mebibytes(column[row]) for column in columns.values())) for row, (name, _) in enumerate(pushes)]
    total = tuple(mebibytes(sum(column)) for column in columns.values())
    return Section("Bytes stored", CONDITIONS, (Table(("what is pushed", *columns), (*rows, ("all of them", *total))),))


def _kept(stage: Stage, keeper: Keeper, number: int, folders: list[Path]) -> list[int]:
    world = stage.world(f"bytes-{number}")
    prepare(keeper, world)
    grown: list[int] = []
    for step, folder in enumerate(folders, 1):
        with stage.shown(folder) as checkpoint:
            grown.append(push(keeper, world, checkpoint, step).stored_bytes)
    shutil.rmtree(world.folder)
    return grown


def _compressed(stage: Stage, folder: Path, level: str, like: Path | None = None) -> int:
    """Bytes of its files under zstd; with `like` each against that folder's file of the same name."""
    to = stage.work / "compressed"
    total = 0
    for path in files_of(folder):
        base = None if like is None else like / path.relative_to(folder)
        against = [f"--patch-from={base}"] if base is not None and base.is_file() else []
        run([str(stage.programs["zstd"]), "-q", "-f", "-T0", level, *against, str(path), "-o", str(to)])
        total += to.stat().st_size
        to.unlink()
    return total


def _copied(stage: Stage, folder: Path) -> int:
    to = stage.work / "copied"
    shutil.rmtree(to, ignore_errors=True)
    remote = f":compress,mode=zstd,level=3,remote='{to}':"
    run([str(stage.programs["rclone"]), "--config", "", "copy", str(folder), remote])
    size = size_of(to)
    shutil.rmtree(to)
    return size
