"""A job without torch: announces itself, then makes a step every 20 ms, until it is told to stop or to fail."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def event(name, **values):
    if os.environ["RANK"] == "0":
        with Path(os.environ["DRSTACK_METRICS"]).open("a") as file:
            file.write(json.dumps({"event": name, **values, "at": time.time()}) + "\n")


def main():
    fail_file = sys.argv[1] if len(sys.argv) > 1 else ""
    resumed = os.environ.get("DRSTACK_RESUME_STEP")
    step = int(resumed or 0)
    event("start", attempt=os.environ["DRSTACK_ATTEMPT"], resumed_step=step or None, pid=os.getpid())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    while True:
        if fail_file and Path(fail_file).exists():
            Path(fail_file).unlink(missing_ok=True)
            sys.stderr.write("the sleeper was told to fail\n")
            sys.exit(3)
        step += 1
        event("step", step=step)
        time.sleep(0.02)


main()
