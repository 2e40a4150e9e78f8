"""Entry: `torchrun … -m examples.train`, `torchrun … examples/train/__main__.py`, or `python -m examples.train`.

Start-up is part of the time to recover, so it is kept short: options are judged before torch is imported,
and the garbage collector is off until the first step, because importing torch makes a million objects that
stay and a collector that walks them again and again.
"""

import gc
import os
import sys
import time
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from examples.train.errors import Interrupted, TrainError
from examples.train.options import Options, parse


def run(options: Options) -> None:
    """Train; raises the TrainError that ended the run, after all ranks have met it and parted."""
    from examples.train.metrics import Metrics  # noqa: PLC0415
    from examples.train.train import train  # noqa: PLC0415
    from examples.train.world import end_with_launcher, join  # noqa: PLC0415

    end_with_launcher()
    world = join()
    metrics = Metrics(options.metrics, speaks=world.rank == 0)
    try:
        train(options, world, metrics)
    except TrainError as error:
        if not isinstance(error, Interrupted):
            metrics.event("refused", step=options.require_step, reason=str(error), exit=error.exit_code)
        world.leave()
        raise
    world.leave()


def main() -> int:
    """Train as the command line says; the exit code."""
    options = parse(sys.argv[1:], os.environ, time.time())
    gc.disable()
    try:
        run(options)
    except TrainError as error:
        print(f"examples.train: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: about one interpreter shutdown in ninety aborts in the destructor of one of torch's threads
    # ("terminate called without an active exception"), and the exit code is what a supervisor acts on.
    os._exit(code)
