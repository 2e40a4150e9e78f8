"""Which sections there are, on which data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.report import Section, read_section
from benchmarks.sections.peak_memory import peak_memory
from benchmarks.sections.push_time import push_time
from benchmarks.sections.restore_time import restore_time
from benchmarks.sections.stored_bytes import stored_bytes
from benchmarks.sections.training_time import training_time
from benchmarks.series.trained import LARGE, MEDIUM, SMALL, Shape, size_of, trained
from benchmarks.stage import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.stage import Stage

SECTIONS = (
    "push",
    "push-medium",
    "push-large",
    "push-huge",
    "restore",
    "restore-large",
    "bytes",
    "memory",
    "training",
    "commands",
)
BESIDE_TRAINING = Shape(layers=4, width=384, heads=6, batch=1, steps=250, every=12)
OTHERS_TIMEOUT_S = 900.0
HUGE_BYTES = 6 << 30


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is measured. `small`, `medium` and `large`: whose checkpoints; None: tiny ones that nothing was trained for."""

    small: Shape | None
    medium: Shape | None
    large: Shape | None
    memory_bytes: tuple[int, ...]
    beside: Shape | None
    huge_bytes: int = 0
    """Of checkpoints whose values only look like weights: nothing so large can be trained here."""
    tiny_bytes: int = 0

    @classmethod
    def whole(cls, big_gib: int) -> Amounts:
        return cls(SMALL, MEDIUM, LARGE, (1 << 30, big_gib << 30), BESIDE_TRAINING, huge_bytes=HUGE_BYTES)

    @classmethod
    def quick(cls) -> Amounts:
        return cls(None, None, None, (8 << 20,), None, tiny_bytes=4 << 20)


def sections(
    stage: Stage, amounts: Amounts, only: Sequence[str] | None = None, kept: Path | None = None
) -> Iterator[Section]:
    """Each as it is measured, with the load of the machine meanwhile. `kept`: a folder of those measured before."""
    for name in SECTIONS:
        before = None if kept is None else kept / f"{name}.json"
        if before is not None and before.is_file():
            yield read_section(before.read_text())
            continue
        if only is not None and name not in only:
            continue
        print(f"benchmarks: {name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        found = _section(name, stage, amounts)
        if found is not None:
            load = " ".join(f"{each:.1f}" for each in os.getloadavg())
            told = f"Measured in {time.monotonic() - began:.0f} s; load at its end {load}."
            found = replace(found, notes=(*found.notes, told))
            if before is not None:
                before.parent.mkdir(parents=True, exist_ok=True)
                before.write_text(json.dumps(asdict(found)))
            yield found


def _section(name: str, stage: Stage, amounts: Amounts) -> Section | None:
    """None where there is nothing to measure at these amounts."""
    if name == "memory":
        return peak_memory(stage, amounts.memory_bytes)
    if name in ("push", "restore", "bytes"):
        return _of_a_series(name, stage, amounts)
    shape = {"push-medium": amounts.medium, "push-large": amounts.large, "restore-large": amounts.large}.get(name)
    if shape is not None:
        *_, base, later = trained(shape, stage.work)
        measured = restore_time if name == "restore-large" else partial(push_time, only=LARGE_CASES)
        return measured(stage, base, later, title=_title(later))
    if name == "push-huge" and amounts.huge_bytes:
        return _huge(stage, amounts.huge_bytes)
    if name == "training" and amounts.beside is not None:
        return training_time(stage, amounts.beside)
    return _commands() if name == "commands" and not stage.quick else None


def _huge(stage: Stage, size_bytes: int) -> Section:
    base, later = _filled(stage, "huge", size_bytes, 2)
    title = f"{size_of(base) / 1e9:.2f} GB of values spread as weights are"
    found = push_time(stage, base, later, title=title, only=LARGE_CASES)
    for folder in ("huge", "cases", "worlds"):
        shutil.rmtree(stage.work / folder)
    return found


def _of_a_series(name: str, stage: Stage, amounts: Amounts) -> Section:
    shape = amounts.medium if name == "restore" else amounts.small
    series = trained(shape, stage.work) if shape is not None else _filled(stage, "tiny", amounts.tiny_bytes)
    if name == "push":
        return push_time(
            stage, series[-2], series[-1], title=_title(series[-1]), only=QUICK_CASES if stage.quick else None
        )
    if name == "restore":
        return restore_time(stage, series[-2], series[-1], title=_title(series[-1]))
    return stored_bytes(stage, series)


QUICK_CASES = ("unchanged, saved again", "1 % of rows changed")
LARGE_CASES = ("untouched since it was pushed", "unchanged, saved again", "1 % of tensors changed")


def _title(folder: Path) -> str:
    return f"{size_of(folder) / 1e9:.2f} GB of weights and AdamW moments"


def _filled(stage: Stage, name: str, size_bytes: int, count: int = 3) -> list[Path]:
    found: list[Path] = []
    for seed in range(1, count + 1):
        folder = stage.work / name / f"step-{seed}"
        if not folder.is_dir():
            stage.make(
                "benchmarks.series.filled", "normal", str(size_bytes), str(seed), str(folder / "model.safetensors")
            )
        found.append(folder)
    return found


def _commands() -> Section:
    """What older benchmarks print, as it is."""
    lines: list[str] = []
    for program in ("help_time", "promotion_time"):
        done = subprocess.run(
            [sys.executable, str(ROOT / "benchmarks" / f"{program}.py")], cwd=ROOT, check=True, timeout=OTHERS_TIMEOUT_S,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines.append(f"- `benchmarks/{program}.py`: {done.stdout.strip().splitlines()[-1]}")
    return Section("Commands", "\n".join(lines))
