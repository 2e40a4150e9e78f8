"""A trainer without torch whose saves wait: saves, waits to be acknowledged, notes it, and again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from replicator.service.acknowledged import await_word

checkpoints, spool = Path(os.environ["DRSTACK_CHECKPOINTS"]), Path(os.environ["DRSTACK_ACKNOWLEDGED"])
for step in range(1, 10_000):
    folder = checkpoints / f"step-{step:08d}"
    staged = checkpoints / f"tmp-{step}"
    staged.mkdir(parents=True)
    save_file({"w": np.random.default_rng(step).standard_normal(1000).astype(np.float32)}, staged / "model.safetensors")
    staged.rename(folder)
    word = await_word(folder, spool)
    with (checkpoints.parent / "acknowledged.txt").open("a") as file:
        file.write(f"{step} {word.commit} {','.join(word.by)}\n")
    time.sleep(0.2)
