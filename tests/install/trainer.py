"""A training program of a project's own, without torch: a safetensors checkpoint every few steps, resumed where told."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

CHECKPOINTS, EVERY = Path(os.environ["DRSTACK_CHECKPOINTS"]), 10


def event(name, **values):
    with Path(os.environ["DRSTACK_METRICS"]).open("a") as file:
        file.write(json.dumps({"event": name, **values, "at": time.time()}) + "\n")


def save(step, weights):
    folder = CHECKPOINTS / f".step-{step:08d}"
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"w": weights}, folder / "model.safetensors")
    folder.rename(CHECKPOINTS / f"step-{step:08d}")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
resumed = os.environ.get("DRSTACK_RESUME_STEP")
step, weights = int(resumed or 0), np.zeros(1000, np.float32)
if resumed:
    weights = load_file(CHECKPOINTS / f"step-{step:08d}" / "model.safetensors")["w"]
    assert weights[0] == step
event("start", attempt=os.environ["DRSTACK_ATTEMPT"], resumed_step=step or None, pid=os.getpid())
while True:
    step, weights = step + 1, weights + 1
    event("step", step=step)
    if step % EVERY == 0:
        save(step, weights)
    time.sleep(0.1)
