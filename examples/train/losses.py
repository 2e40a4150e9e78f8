"""What a checkpoint carries so that another machine can prove it: the losses made since older ones, and on what.

`losses.jsonl` lies beside DCP's files and travels with them. Its lines are `start` and `step` events, as in the
metrics. The losses of the steps after a checkpoint are in the checkpoints after it. Invariant: it names one process's
losses only, and never more than SPANS times MOST of them, however far apart checkpoints are.
"""

import json
import os
import platform
from collections import deque
from pathlib import Path

import torch

NAME = "losses.jsonl"
SPANS, MOST = 3, 200


def versions(device: torch.device) -> dict[str, str]:
    """All that a loss's bits depend on besides the checkpoint: where they are equal, losses must be."""
    found = {
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
        "device": _processor(),
    }
    if device.type == "cuda":
        found |= {"device": torch.cuda.get_device_name(device), "cuda": str(torch.version.cuda)}
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or "cpu"


class LossLog:
    """The first MOST losses after the start and after each of the last saves; `header` is the start they belong to."""

    def __init__(self, **header: object) -> None:
        self._header = {"event": "start", **header}
        self._spans: deque[list[tuple[int, float]]] = deque([[]], maxlen=SPANS)

    def note(self, step: int, loss: float) -> None:
        if len(self._spans[-1]) < MOST:
            self._spans[-1].append((step, loss))

    def write(self, folder: Path) -> None:
        """Put the log into a checkpoint's folder, durably, and begin the next span."""
        rows = [{"event": "step", "step": step, "loss_hex": loss.hex()} for span in self._spans for step, loss in span]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / NAME).open("x") as file:
            file.writelines(json.dumps(row) + "\n" for row in (self._header, *rows))
            file.flush()
            os.fsync(file.fileno())
        self._spans.append([])
