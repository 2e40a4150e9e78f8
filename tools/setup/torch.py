"""Which lock brings PyTorch: the CPU builds where they can be had and no GPU asks for more.

Only uv knows where the CPU builds lie (`--torch-backend`); no address stands here.
"""

from __future__ import annotations

import os
from pathlib import Path

from tools import command
from tools.setup import CHECKOUT

ANY = CHECKOUT / "requirements.lock"
CPU = CHECKOUT / "requirements-cpu.lock"
BACKEND = ("--torch-backend", "cpu")
PROBE_TIMEOUT_S = 15.0
GPU = Path("/dev/nvidiactl")


def objection_to_cpu(uv: str) -> str | None:
    """Why the CPU lock is not used on this machine."""
    if not CPU.exists():
        return f"there is no {CPU.name}"
    if GPU.exists():
        return "this machine has an NVIDIA GPU"
    return unreachable(uv)


def unreachable(uv: str) -> str | None:
    """Why uv cannot get at the CPU builds."""
    try:
        command.run(
            [uv, "pip", "compile", "--quiet", "--no-deps", *BACKEND, "-"],
            label="looking for PyTorch's CPU builds",
            timeout_s=PROBE_TIMEOUT_S,
            env={**os.environ, "UV_HTTP_TIMEOUT": "5", "UV_HTTP_RETRIES": "0"},
            stdin="torch\n",
        )
    except command.CommandFailed as error:
        return f"the index of PyTorch's CPU builds was not reached ({error.reason})"
    return None
