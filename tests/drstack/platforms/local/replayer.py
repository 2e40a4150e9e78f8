"""A job without torch for provers: resumes, makes the steps that it is told, or does what its first argument says."""

import json
import os
import signal
import sys
import time
from pathlib import Path

how, folder = sys.argv[1], Path(sys.argv[2])
rank = os.environ["RANK"]
resumed = int(os.environ.get("DRSTACK_RESUME_STEP", "0"))
(folder / f"environ-{rank}.json").write_text(json.dumps({**os.environ, "nice": os.nice(0), "pid": os.getpid()}))


def event(name, **values):
    if rank == "0":
        with Path(os.environ["DRSTACK_METRICS"]).open("a") as file:
            file.write(json.dumps({"event": name, **values}) + "\n")


if how == "crash":
    sys.exit("boom")
event("start", attempt=os.environ["DRSTACK_ATTEMPT"], resumed_step=resumed or None, exact=True, versions={"torch": "x"})
if how == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "rubbish":
    event("step", step=resumed + 1, loss_hex="zz")
if how == "leave":
    sys.exit(0)
if how in ("hang", "rubbish"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
ends = time.monotonic() + 60
while not all((folder / f"environ-{n}.json").exists() for n in range(int(os.environ["WORLD_SIZE"]))):
    if time.monotonic() > ends:
        sys.exit("the other ranks do not start")
    time.sleep(0.01)
for step in range(resumed + 1, resumed + int(os.environ["DRSTACK_REPLAY_STEPS"]) + 1):
    event("step", step=step, loss_hex=(1 / step).hex())
if how == "linger":
    time.sleep(600)
