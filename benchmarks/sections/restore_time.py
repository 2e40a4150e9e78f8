"""Restoring a checkpoint whose push leaned on the one before, beside copying the same files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks import spread
from benchmarks.peers import copying
from benchmarks.peers.keeper import Restorer, World, prepare, push, restore
from benchmarks.peers.ours import Replicator
from benchmarks.peers.restic import Restic
from benchmarks.report import Section, Table, Verdict, mebibytes, ratio, seconds
from benchmarks.series.cases import cases
from benchmarks.series.trained import size_of
from benchmarks.stage import evict, files_of, warm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.measure import Run
    from benchmarks.stage import Stage

LEAST = 0.8
CASE = "1 % of tensors changed"
WORKS = "decoding, decrypting and two digests of every byte keep the processors busy, and copying does none of that"
CONDITIONS = (
    "A checkpoint is restored whose push leaned on the one before: there are no tensor deltas yet, so the commit names "
    "the blocks that both have in common, in the packs of the first push, and its own in packs of its own ("
    f"{CASE}). The repository, the copy's source and all destinations are folders of one disk. The restore checks every "
    "digest, and syncs every file and folder before the checkpoint appears; `cp -r` is followed by a sync of all that it "
    "wrote. restic syncs nothing. `warm`: what is read lies in the page cache; `cold`: none of it does."
)


def restore_time(stage: Stage, base: Path, later: Path, *, title: str) -> Section:
    (case,) = cases(stage, base, later, (CASE,))
    keepers: list[Restorer] = [Replicator()]
    if "restic" in stage.programs and not stage.quick:
        keepers.append(Restic(stage.programs["restic"]))
    worlds = {keeper.name: stage.world(f"restore-{number}") for number, keeper in enumerate(keepers)}
    for keeper in keepers:
        prepare(keeper, worlds[keeper.name])
        for step, folder in enumerate((base, case.folder), 1):
            with stage.shown(folder) as checkpoint:
                push(keeper, worlds[keeper.name], checkpoint, step)
    to = stage.work / "restored"
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    for state, ready in (("warm", warm),) if stage.quick else (("warm", warm), ("cold", evict)):
        contestants = {keeper.name: _restoring(keeper, worlds[keeper.name], to, ready) for keeper in keepers}
        contestants[copying.NAME] = _copying(case.folder, to, ready)
        done = spread.rounds(contestants, stage.rounds)
        ratios = [spread.speed_ratio(done, name, copying.NAME) for name in contestants if name != copying.NAME]
        rows.append((state, *(seconds(spread.wall(done, name)) for name in contestants), *map(ratio, ratios)))
        verdicts.append(
            Verdict(
                f"restore, {state} ({title}): at least {LEAST} of the speed of copying", ratio(ratios[0]),
                reached=ratios[0].median >= LEAST, why=WORKS,
            )
        )  # fmt: skip
    _require_same(case.folder, keepers[0], worlds[keepers[0].name], to)
    names = [keeper.name for keeper in keepers]
    columns = ("page cache", *names, copying.NAME, *(f"copying / {name}" for name in names))
    conditions = f"{CONDITIONS} The checkpoint has {mebibytes(size_of(base))}; {stage.rounds} rounds."
    return Section(f"Restore: {title}", conditions, (Table(columns, tuple(rows)),), tuple(verdicts))


def _restoring(keeper: Restorer, world: World, to: Path, ready: Callable[[list[Path]], None]) -> Callable[[], Run]:
    def once() -> Run:
        shutil.rmtree(to, ignore_errors=True)
        ready([world.repository])
        return restore(keeper, world, to)

    return once


def _copying(source: Path, to: Path, ready: Callable[[list[Path]], None]) -> Callable[[], Run]:
    def once() -> Run:
        shutil.rmtree(to, ignore_errors=True)
        ready([source])
        return copying.copy(source, to)

    return once


def _require_same(folder: Path, keeper: Restorer, world: World, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    restore(keeper, world, to)
    for path in files_of(folder):
        if (to / path.relative_to(folder)).read_bytes() != path.read_bytes():
            raise ValueError(f"{path} came back with other bytes")
    shutil.rmtree(to)
