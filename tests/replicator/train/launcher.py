"""torchrun's launcher for tests of two ranks: `python -m tests.replicator.train.launcher MODULE` answers line by line.

A line is a JSON object, `{"run": name of a function of MODULE, …its arguments}`; the answer, the exit code of each rank
that failed. The libraries are imported once, then each run forks its ranks, as `elastic_launch` does for functions.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from tests.replicator.train.rig import PATIENCE_S

RANKS = 2


class Launcher:
    """The test's end of it: ranks see this environment, and whatever a run adds."""

    def __init__(self, module: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.replicator.train.launcher", module],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True,
        )  # fmt: skip

    def run(self, name: str, **arguments: object) -> dict[int, int]:
        """By rank, the exit codes of those that failed, as the launcher reports them; empty if all ended well."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"run": name, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the launcher ended"
        return {int(rank): code for rank, code in json.loads(answer).items()}

    def close(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)


def launch(function: Any, arguments: dict[str, Any]) -> dict[int, int]:
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=RANKS, rdzv_backend="c10d", rdzv_endpoint="localhost:0",
        rdzv_configs={"timeout": PATIENCE_S}, start_method="fork", max_restarts=0, monitor_interval=0.1,
    )  # fmt: skip
    try:
        elastic_launch(config, function)(arguments)
    except ChildFailedError as error:
        return {rank: failure.exitcode for rank, failure in error.failures.items()}
    return {}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    logging.basicConfig(level=logging.INFO, format="%(process)d %(message)s")
    module = importlib.import_module(sys.argv[1])
    for line in sys.stdin:
        told = json.loads(line)
        failed = launch(getattr(module, told.pop("run")), told)
        answers.write(json.dumps(failed) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
