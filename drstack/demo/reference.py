"""The uninterrupted run that the resumed one is compared with: same program, same seed, no checkpoints, no disaster."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.demo.trace import last_step
from drstack.errors import DemoFailed, DrstackError
from drstack.reconcile.leashed import ENDING_S, run_leashed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TIMEOUT_S = 600.0
_MOST_STEPS = 1_000_000
_DROPPED = {"--every", "--keep", "--step-floor-s", "--steps", "--seed"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first_difference`: the first step whose losses differ, None if none does."""

    compared: int
    first_difference: int | None

    @property
    def match(self) -> bool:
        return self.compared > 0 and self.first_difference is None


class Reference:
    """That run, in `folder`, beside the rest of the demo and giving way to it, until it is told that it went far enough."""

    def __init__(self, folder: Path, source: Path, arguments: Sequence[str], *, ranks: int, seed: int) -> None:
        self._folder = folder
        self._metrics = folder / "metrics.jsonl"
        self._command = [
            sys.executable, "-m", "drstack.demo.idle", sys.executable, "-m", "torch.distributed.run", "--standalone",
            f"--nproc-per-node={ranks}", "-m", "examples.train", "--metrics", str(self._metrics), *without(arguments),
            "--every", "0", "--steps", str(_MOST_STEPS), "--seed", str(seed),
        ]  # fmt: skip
        self._environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(source)}
        self._environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self._steps: int | None = None
        self._stopped = False
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="reference", daemon=True)

    def begin(self) -> None:
        self._folder.mkdir(parents=True)
        self._thread.start()

    def until(self, steps: int) -> Path:
        """Wait until it has made at least so many steps, and end it. Returns its metrics file. DemoFailed."""
        self._steps = steps
        self._thread.join(_TIMEOUT_S + ENDING_S)
        if self._trouble is not None or (last_step(self._metrics) or 0) < steps:
            raise DemoFailed(f"the reference run {self._trouble or f'did not reach step {steps}'}")
        return self._metrics

    def stop(self) -> None:
        """End it, wherever it is."""
        self._stopped = True
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT_S + ENDING_S)

    def _run(self) -> None:
        try:
            done = run_leashed(
                self._command, cwd=self._folder, environ=self._environ, timeout_s=_TIMEOUT_S, tick=self._tick
            )
            self._trouble = f"ended with {done.code}: {done.complained[-800:]}"
        except _Enough:
            pass
        except (OSError, DrstackError) as error:
            self._trouble = f"could not be made: {error}"

    def _tick(self) -> None:
        if self._stopped or (self._steps is not None and (last_step(self._metrics) or 0) >= self._steps):
            raise _Enough


class _Enough(Exception):
    """It has made the steps that are wanted."""


def without(arguments: Sequence[str]) -> list[str]:
    """The workload's arguments but for those that the reference sets itself."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in _DROPPED:
            skip = True
        else:
            kept.append(argument)
    return kept


def compare(run: Mapping[int, str], reference: Mapping[int, str], *, after: int) -> Comparison:
    """Losses of the steps behind `after`, bit for bit; a step that the reference lacks counts as a difference."""
    steps = sorted(step for step in run if step > after)
    different = [step for step in steps if reference.get(step) != run[step]]
    return Comparison(len(steps), different[0] if different else None)
