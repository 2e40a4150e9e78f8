"""Checkpoints of a run that really trains: the GPT of examples/train, fp32 weights and both AdamW moments, in DCP.

Made once for a shape and kept in the folder that is given, so that several sections use the same ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEED = 1234
TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class Shape:
    """Of the network and the run; `steps` is the last one, `every` how many lie between checkpoints."""

    layers: int
    width: int
    heads: int
    batch: int
    steps: int
    every: int

    @property
    def name(self) -> str:
        return f"gpt-{self.layers}x{self.width}-b{self.batch}-s{self.steps}-e{self.every}"

    def options(self) -> list[str]:
        return [
            "--layers", str(self.layers), "--width", str(self.width), "--heads", str(self.heads),
            "--batch", str(self.batch), "--seed", str(SEED),
        ]  # fmt: skip


SMALL = Shape(layers=4, width=384, heads=6, batch=4, steps=60, every=20)
MEDIUM = Shape(layers=8, width=640, heads=10, batch=1, steps=24, every=8)
LARGE = Shape(layers=12, width=1152, heads=12, batch=1, steps=2, every=1)


def environment() -> dict[str, str]:
    """Without settings of drstack; one thread, since several wait for each other where other work runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRSTACK_")}
    return {**kept, "OMP_NUM_THREADS": "1"}


def trained(shape: Shape, work: Path) -> list[Path]:
    """Folders of the run's checkpoints, oldest first."""
    folder = work / shape.name
    last = folder / f"step-{shape.steps:08d}" / ".metadata"
    if not last.is_file():
        argv = [
            sys.executable, "-m", "examples.train", *shape.options(), "--checkpoints", str(folder),
            "--metrics", str(work / f"{shape.name}.jsonl"), "--steps", str(shape.steps), "--every", str(shape.every),
        ]  # fmt: skip
        subprocess.run(argv, cwd=ROOT, env=environment(), check=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
    return sorted(folder.glob("step-*"))


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
