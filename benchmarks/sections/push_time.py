"""Pushing a checkpoint of which the repository holds all, nearly all, or nothing, beside restic."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import spread
from benchmarks.peers.keeper import World, prepare, push
from benchmarks.peers.ours import Replicator
from benchmarks.peers.restic import Restic
from benchmarks.report import Section, Table, Verdict, mebibytes, ratio, seconds
from benchmarks.series.cases import cases, share_of
from benchmarks.series.trained import size_of
from benchmarks.stage import warm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.measure import Run
    from benchmarks.peers.keeper import Keeper
    from benchmarks.series.cases import Case
    from benchmarks.spread import Round
    from benchmarks.stage import Stage

TIMES = 5.0
CONDITIONS = (
    "One checkpoint folder, from the page cache, into a repository in a folder of the same disk. The repository holds the "
    "checkpoint before (but for a first push), and is put back to that state before every run. Both programs sync what "
    "they write. restic always encrypts, so the ratios are of encrypted repositories; `plain` is `--crypto none`. "
    "The times hold starting Python, about half a second, and restic's derivation of a key from its password."
)


def push_time(stage: Stage, base: Path, later: Path, *, title: str, only: tuple[str, ...] | None = None) -> Section:
    """`base` and `later` are two checkpoints of one run. With `only`, the cases of these names."""
    keepers = _keepers(stage, plain=only is None)
    held = _hold(stage, keepers, base)
    speeds: list[tuple[str, ...]] = []
    stored: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    for case in cases(stage, base, later, only):
        print(f"benchmarks: push: {case.name}", file=sys.stderr, flush=True)
        done = spread.rounds({keeper.name: _contestant(stage, keeper, held, case) for keeper in keepers}, stage.rounds)
        speeds.append((case.name, str(stage.rounds), share_of(case), *_speeds(done, keepers)))
        stored.append((case.name, *(mebibytes(spread.stored(done, keeper.name).median) for keeper in keepers)))
        if case.demanded and "restic" in stage.programs:
            verdicts += _verdicts(done, case, title)
    names = tuple(keeper.name for keeper in keepers)
    peers = tuple(f"restic / {each}" for each in _compared(names))
    return Section(
        f"Push: {title}",
        f"{CONDITIONS} The checkpoint has {mebibytes(size_of(base))}.",
        (
            Table(
                ("what is pushed", "rounds", "bytes that differ", *names, *peers),
                tuple(speeds),
                "Time, and how many times as fast",
            ),
            Table(("what is pushed", *names), tuple(stored), "By how much the repository grew"),
        ),
        tuple(verdicts),
    )


def _keepers(stage: Stage, *, plain: bool) -> list[Keeper]:
    restic = stage.programs.get("restic")
    keepers: list[Keeper] = [Replicator()]
    if plain and not stage.quick:
        keepers.append(Replicator(encrypted=False))
    if restic is not None:
        keepers.append(Restic(restic))
    return keepers


def _hold(stage: Stage, keepers: list[Keeper], base: Path) -> dict[str, tuple[World, World]]:
    """By keeper, an empty world and one that holds the base. Both were made where every push takes place."""
    held: dict[str, tuple[World, World]] = {}
    for number, keeper in enumerate(keepers):
        live, empty, full = (stage.world(f"{part}-{number}") for part in ("live", "empty", "full"))
        prepare(keeper, live)
        empty.become(live)
        with stage.shown(base) as checkpoint:
            push(keeper, live, checkpoint, 1)
        full.become(live)
        held[keeper.name] = empty, full
    return held


def _contestant(stage: Stage, keeper: Keeper, held: dict[str, tuple[World, World]], case: Case) -> Callable[[], Run]:
    empty, full = held[keeper.name]
    live = World(empty.folder.with_name(empty.folder.name.replace("empty", "live")))

    def once() -> Run:
        live.become(empty if case.base is None else full)
        with stage.shown(case.folder) as checkpoint:
            warm([checkpoint])
            return push(keeper, live, checkpoint, 2)

    return once


def _speeds(done: list[Round], keepers: list[Keeper]) -> list[str]:
    names = tuple(keeper.name for keeper in keepers)
    told = [seconds(spread.wall(done, name)) for name in names]
    return [*told, *(ratio(spread.speed_ratio(done, name, "restic")) for name in _compared(names))]


def _compared(names: tuple[str, ...]) -> tuple[str, ...]:
    """Who is put beside restic, where that is there."""
    return tuple(name for name in names if name.startswith("replicator")) if "restic" in names else ()


def _verdicts(done: list[Round], case: Case, title: str) -> list[Verdict]:
    speed = spread.speed_ratio(done, "replicator", "restic")
    ours, theirs = (spread.stored(done, name).median for name in ("replicator", "restic"))
    return [
        Verdict(
            f"push, {case.name} ({title}): at least {TIMES:.0f} times as fast as restic", ratio(speed),
            reached=speed.median >= TIMES, why=case.hinders,
        ),
        Verdict(
            f"push, {case.name} ({title}): fewer bytes than restic", f"{mebibytes(ours)} beside {mebibytes(theirs)}",
            reached=ours < theirs,
        ),
    ]  # fmt: skip
