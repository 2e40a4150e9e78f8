"""A training run without torch: counts, saves what it counted as safetensors, and resumes only from what it saved.

With `--save-when-stopped` it also saves the step at which it is asked to stop; `--slowly`, it makes ten steps a second, and
saves every fifteenth; `--anew`, it begins anew after a rank has failed, which it cannot beside its own checkpoints. It can
be proved: its loss follows from what it counted, its checkpoints carry the losses, and it replays.
"""

import json
import os
import signal
import struct
import sys
import time
from pathlib import Path

CHECKPOINTS = Path(os.environ["DRSTACK_CHECKPOINTS"])
EVERY, STEP_S = (15, 0.1) if "--slowly" in sys.argv else (25, 0.02)
START = {"event": "start", "attempt": os.environ["DRSTACK_ATTEMPT"], "resumed_step": None, "exact": True,
         "world": int(os.environ["WORLD_SIZE"]), "versions": {"counter": "1"}}  # fmt: skip
LOSSES = []


def event(**values):
    if os.environ["RANK"] == "0":
        with Path(os.environ["DRSTACK_METRICS"]).open("a") as file:
            file.write(json.dumps({**values, "at": time.time()}) + "\n")


def save(step):
    values = [step + n / 64 for n in range(64)]
    header = json.dumps({"w": {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]}}).encode()
    making = CHECKPOINTS / ".making"
    making.mkdir(parents=True, exist_ok=True)
    (making / "losses.jsonl").write_text("".join(json.dumps(each) + "\n" for each in [START, *LOSSES[-2 * EVERY :]]))
    content = struct.pack("<Q", len(header)) + header + struct.pack("<64f", *values)
    (making / "model.safetensors").write_bytes(content)
    making.rename(CHECKPOINTS / f"step-{step:08d}")


def load(step):
    content = (CHECKPOINTS / f"step-{step:08d}" / "model.safetensors").read_bytes()
    counted = int(struct.unpack("<64f", content[-256:])[0])
    assert counted == step
    return counted


def newest_of_its_own():
    """What a start after a rank has failed goes on from, as trainers do."""
    again = START["attempt"].rpartition(".")[2] != "0" and "--anew" not in sys.argv
    return max((int(each.name[5:]) for each in CHECKPOINTS.glob("step-*")), default=0) if again else 0


def main():
    step = int(os.environ.get("DRSTACK_RESUME_STEP") or 0) or newest_of_its_own()
    replay = os.environ.get("DRSTACK_REPLAY_STEPS")
    if step:
        step = START["resumed_step"] = load(step)
    event(**START, pid=os.getpid(), by=sys.executable)
    stopped = []
    late = "--save-when-stopped" in sys.argv
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True) if late else sys.exit(75))
    ends = step + int(replay) if replay else None
    while step != ends and not stopped:
        step += 1
        time.sleep(STEP_S)
        LOSSES.append({"event": "step", "step": step, "loss_hex": (1 / step).hex()})
        event(**LOSSES[-1])
        if (step % EVERY == 0 or stopped) and os.environ["RANK"] == "0" and not replay:
            save(step)
    sys.exit(75 if stopped else 0)


main()
