"""Starts real training processes on a tiny model and reads back what they recorded."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.examples.train.forked import PROGRAM, Forked, server

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

ROOT = Path(__file__).resolve().parents[3]
TINY = ("--layers", "1", "--width", "32", "--heads", "2", "--context", "32", "--batch", "2")
PATIENCE_S = 240


class Site:
    """A folder that runs train in: its checkpoints, its metrics, its processes."""

    def __init__(self, folder: Path, environ: dict[str, str], forking: ForkServerContext) -> None:
        self.checkpoints = folder / "checkpoints"
        self.metrics = folder / "metrics.jsonl"
        self._environ = environ
        self._forking = forking
        self._processes: list[subprocess.Popen[bytes] | Forked] = []

    def start(self, *options: str, launcher: tuple[str, ...] = (), environ: dict[str, str] | None = None):
        """Start a run, by torchrun with `launcher`'s options if there are any."""
        files = ("--checkpoints", str(self.checkpoints), "--metrics", str(self.metrics))
        arguments, whole = [*TINY, *files, *options], self._environ | (environ or {})
        process: subprocess.Popen[bytes] | Forked
        if launcher:
            torchrun = [sys.executable, "-m", "torch.distributed.run", *launcher, "-m", PROGRAM]
            process = subprocess.Popen([*torchrun, *arguments], cwd=ROOT, env=whole)
        else:
            process = Forked(self._forking, arguments, whole, str(ROOT))
        self._processes.append(process)
        return process

    def run(self, *options: str, **how) -> int:
        """Start a run and wait for its end; the exit code."""
        return self.start(*options, **how).wait(PATIENCE_S)

    def events(self, name: str) -> list[dict]:
        """The recorded events of one name, oldest first; a line being written is left out."""
        if not self.metrics.exists():
            return []
        lines = self.metrics.read_text().split("\n")[:-1]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def losses(self) -> dict[int, str]:
        """Step by step; a step that was taken twice must have come out the same twice."""
        seen: dict[int, str] = {}
        for event in self.events("step"):
            assert seen.setdefault(event["step"], event["loss_hex"]) == event["loss_hex"], event
        return seen

    def wait_for(self, true: Callable[[], object]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < until, "it did not happen in time"
            assert any(process.poll() is None for process in self._processes), "all processes ended"
            time.sleep(0.001)

    def wait_for_step(self, step: int) -> None:
        self.wait_for(lambda: any(event["step"] >= step for event in self.events("step")[-1:]))

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One thread a rank; compiled once a session where this environment forbids it (import takes 3 times as long)."""
    values = {name: value for name, value in os.environ.items() if not name.startswith("DRSTACK_")}
    values |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    if values.pop("PYTHONDONTWRITEBYTECODE", ""):
        values["PYTHONPYCACHEPREFIX"] = str(tmp_path_factory.mktemp("bytecode"))
    return values


@pytest.fixture(scope="session")
def forking(environ: dict[str, str]) -> ForkServerContext:
    """What runs of one rank are forked from."""
    context = server()
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(environ):
            patch.delenv(name)
        for name, value in (environ | {"PYTHONPATH": str(ROOT)}).items():
            patch.setenv(name, value)
        forkserver.ensure_running()
    return context


@pytest.fixture
def site(tmp_path: Path, environ: dict[str, str], forking: ForkServerContext) -> Iterator[Site]:
    place = Site(tmp_path, environ, forking)
    yield place
    place.stop()


@pytest.fixture
def other_site(tmp_path: Path, environ: dict[str, str], forking: ForkServerContext) -> Iterator[Site]:
    place = Site(tmp_path / "other", environ, forking)
    yield place
    place.stop()


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str], forking: ForkServerContext
) -> dict[int, str]:
    """Losses of steps 1 to 12 on two ranks, without checkpoints and without a stop."""
    place = Site(tmp_path_factory.mktemp("undisturbed"), environ, forking)
    assert place.run("--steps", "12", "--every", "0", launcher=("--nproc-per-node=2",)) == 0
    assert not place.checkpoints.exists()
    return place.losses()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
