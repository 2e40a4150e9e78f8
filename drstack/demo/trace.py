"""What the trainers wrote down: steps with their losses, and which checkpoints are complete."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def events(metrics: Path) -> list[dict[str, Any]]:
    """Every whole line of a metrics file, in order; nothing where there is no file."""
    found: list[dict[str, Any]] = []
    if metrics.exists():
        for line in metrics.read_text().split("\n"):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def losses(metrics: Path, *, since: float = 0.0) -> dict[int, str]:
    """Per step its loss as an exact hexadecimal; a step made twice counts as it was made last. `since`: unix seconds."""
    made = [each for each in events(metrics) if each.get("event") == "step" and float(each.get("at", 0.0)) >= since]
    return {int(each["step"]): str(each["loss_hex"]) for each in made}


def last_step(metrics: Path) -> int | None:
    """The last step, read from the end of the file."""
    try:
        with metrics.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 8192))
            tail = file.read().split(b"\n")
    except FileNotFoundError:
        return None
    for line in reversed(tail):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == "step":
            return int(event["step"])
    return None


def complete_checkpoints(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/.metadata"))
