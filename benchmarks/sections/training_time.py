"""How much slower a training step is while the replicator ships, each pinned to a core of its own.

One training runs from beginning to end. The replicator is stopped and let go on in turn, at every save: windows that lie
side by side are compared, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.keeper import prepare
from benchmarks.peers.ours import Replicator
from benchmarks.report import Section, Table, Verdict, mebibytes, ratio
from benchmarks.series.trained import Shape, environment, size_of
from benchmarks.spread import Spread
from benchmarks.stage import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from benchmarks.stage import Stage

MOST = 1.05
_POLL_S = 0.02
_LIMIT_S = 2400.0
CONDITIONS = (
    "examples/train on core 0 with one thread; `replicator watch --idle` (SCHED_IDLE, idle class for the disk) on core 1, "
    "into an encrypted repository on the same disk. From one save to the next the replicator ships, in the next such "
    "window it is stopped (SIGSTOP), and so on: in a window in which it ships it has both checkpoints to deal with that "
    "were saved since the one before. Steps during which the trainer itself saves are left out of both."
)


@dataclass(slots=True)
class Window:
    """From one save's end to the next one's beginning."""

    ships: bool
    began: float
    steps: list[float] = field(default_factory=list[float])
    cpu_s: float = 0.0
    """Of the replicator."""


def training_time(stage: Stage, shape: Shape) -> Section:
    """`shape.steps` and `shape.every` give the windows: the first is not counted."""
    folder, metrics = stage.work / "training", stage.work / "training.jsonl"
    shutil.rmtree(folder, ignore_errors=True)
    metrics.unlink(missing_ok=True)
    world, keeper = stage.world("training"), Replicator()
    prepare(keeper, world)
    watch = (
        "taskset", "-c", "1", str(Path(sys.executable).with_name("replicator")), "watch", str(folder), "--idle",
        "--workload", "gpt", "--repo", world.repository.as_uri(), "--keys", str(world.home / "keys"), "--quiet", "0.5",
    )  # fmt: skip
    train = (
        "taskset", "-c", "0", sys.executable, "-m", "examples.train", *shape.options(), "--checkpoints", str(folder),
        "--keep", "2", "--metrics", str(metrics), "--steps", str(shape.steps), "--every", str(shape.every),
    )  # fmt: skip
    one_thread = {**environment(), "MKL_NUM_THREADS": "1"}
    with (
        _running(watch, world.environment({}), stage.work / "replicator.log") as replicator,
        _running(train, one_thread, stage.work / "training.log") as trainer,
    ):
        windows = list(_windows(metrics, trainer, replicator))
    saved = size_of(max(folder.glob("step-*")))
    shutil.rmtree(folder)
    return told(windows, shape, saved)


def told(windows: list[Window], shape: Shape, saved: int) -> Section:
    pairs = list(zip(windows[1::2], windows[2::2], strict=False))
    slower: list[float] = []
    for pair in pairs:
        on, off = sorted(pair, key=lambda window: not window.ships)
        slower.append(statistics.mean(on.steps) / statistics.mean(off.steps))
    spread = Spread.of(slower)
    every = {ships: [w for w in windows[1:] if w.ships is ships] for ships in (True, False)}
    rows = [
        (
            "ships" if ships else "is stopped",
            str(len(found)),
            f"{statistics.median(s for w in found for s in w.steps):.3f} s",
            f"{statistics.mean(s for w in found for s in w.steps):.3f} s",
            f"{statistics.mean(w.cpu_s for w in found):.2f} s",
        )
        for ships, found in every.items()
    ]
    interval = statistics.median(
        later.began - window.began for window, later in zip(windows, windows[1:], strict=False)
    )
    return Section(
        "Training beside the replicator",
        f"{CONDITIONS} A checkpoint has {mebibytes(saved)}, and one is saved every {shape.every} steps, {interval:.0f} s.",
        (
            Table(
                ("the replicator", "windows", "median step", "mean step", "its processor time in a window"), tuple(rows)
            ),
        ),
        (
            Verdict(
                f"training, a checkpoint of {mebibytes(saved)} every {interval:.0f} s: steps at most 5 % slower",
                f"mean step of a window beside the next one's: {ratio(spread)}",
                reached=spread.median <= MOST,
            ),
        ),
    )


@contextmanager
def _running(argv: tuple[str, ...], env: dict[str, str], log: Path) -> Generator[subprocess.Popen[bytes]]:
    with log.open("wb") as said:
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(60)


def _windows(metrics: Path, trainer: subprocess.Popen[bytes], replicator: subprocess.Popen[bytes]) -> Iterator[Window]:
    """Each window as it ends; the replicator is stopped or let go on as the next one begins."""
    window: Window | None = None
    saving, ships, used = False, True, _cpu_s(replicator.pid)
    for event in _events(metrics, trainer):
        if event["event"] == "step" and window is not None and not saving:
            window.steps.append(float(event["seconds"]))
        elif event["event"] == "save_begin":
            saving = True
        elif event["event"] == "save_end":
            now = _cpu_s(replicator.pid)
            if window is not None and window.steps:
                window.cpu_s = now - used
                yield window
            saving, used = False, now
            replicator.send_signal(signal.SIGCONT if ships else signal.SIGSTOP)
            window = Window(ships, float(event["at"]))
            ships = not ships
    if trainer.wait(60):
        raise RuntimeError(f"the training exited {trainer.returncode}")


def _events(metrics: Path, trainer: subprocess.Popen[bytes]) -> Iterator[dict[str, str]]:
    until = time.monotonic() + _LIMIT_S
    while not metrics.exists() and trainer.poll() is None and time.monotonic() < until:
        time.sleep(_POLL_S)
    with metrics.open() as file:
        held = ""
        while time.monotonic() < until:
            held += file.readline()
            if held.endswith("\n"):
                yield json.loads(held)
                held = ""
            elif trainer.poll() is not None:
                return
            else:
                time.sleep(_POLL_S)
    raise RuntimeError(f"the training was not over after {_LIMIT_S:.0f} s")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
