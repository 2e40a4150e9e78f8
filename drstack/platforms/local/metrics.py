"""What a training run says of itself in its JSON lines: `start` and `step` events (examples/train/metrics.py).

Decides which events belong to a generation: those behind its offset, of an attempt of its rendezvous. Invariant: a
torn last line is passed over, and never more than a window of the file is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WINDOW_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RunFacts:
    resumed_step: int | None = None
    first_step: int | None = None
    first_step_at: float | None = None
    step: int | None = None
    step_at: float | None = None


def read_run(path: Path, *, offset: int, rdzv_id: str | None) -> RunFacts:
    """What the file says; nothing where there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(min(offset, size))
            head = file.read(WINDOW_BYTES)
            start = max(0, size - WINDOW_BYTES)
            file.seek(start)
            tail = file.read(WINDOW_BYTES)
    except OSError:
        return RunFacts()
    began = _began(list(_events(head)), rdzv_id)
    last = next((event for event in reversed(list(_events(tail))) if event.get("event") == "step"), None)
    return RunFacts(
        resumed_step=began.resumed_step,
        first_step=began.first_step,
        first_step_at=began.first_step_at,
        step=None if last is None else int(last["step"]),
        step_at=None if last is None else float(last["at"]),
    )


def _began(events: list[dict[str, Any]], rdzv_id: str | None) -> RunFacts:
    """The first start of the generation, and the first step behind it."""
    ours = False
    resumed: int | None = None
    for event in events:
        if event.get("event") == "start":
            attempt = str(event.get("attempt"))
            if not ours and rdzv_id is not None and attempt.startswith(f"{rdzv_id}."):
                ours, resumed = True, event.get("resumed_step")
        elif event.get("event") == "step" and ours:
            return RunFacts(resumed, int(event["step"]), float(event["at"]))
    return RunFacts(resumed_step=resumed)


def _events(text: bytes) -> Iterator[dict[str, Any]]:
    for line in text.split(b"\n"):
        try:
            event: object = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield cast("dict[str, Any]", event)
