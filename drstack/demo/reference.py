"""The uninterrupted run that the resumed one is compared with: same program, same seed, no checkpoints, no disaster."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.errors import DemoFailed
from drstack.reconcile.leashed import run_leashed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_TIMEOUT_S = 300.0
_DROPPED = {"--every", "--keep", "--step-floor-s", "--steps", "--seed"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first_difference`: the first step whose losses differ, None if none does."""

    compared: int
    first_difference: int | None

    @property
    def match(self) -> bool:
        return self.compared > 0 and self.first_difference is None


def run_reference(
    folder: Path, source: Path, arguments: Sequence[str], *, ranks: int, steps: int, seed: int, tick: Callable[[], None]
) -> Path:
    """Train `steps` steps without a break in `folder`. Returns its metrics file. DemoFailed."""
    folder.mkdir(parents=True)
    metrics = folder / "metrics.jsonl"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", "-m", "examples.train",
        "--metrics", str(metrics), *without(arguments), "--every", "0", "--steps", str(steps), "--seed", str(seed),
    ]  # fmt: skip
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(source)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    finished = run_leashed(command, cwd=folder, environ=environ, timeout_s=_TIMEOUT_S, tick=tick)
    if finished.code != 0:
        raise DemoFailed(f"the reference run ended with {finished.code}: {finished.complained[-800:]}")
    return metrics


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
