"""The virtual environment `.venv`, exactly what the lock says, and the checkout installed in it editably."""

from __future__ import annotations

import sys

from tools import command
from tools.setup import CHECKOUT, SetupFailed, stamp, torch

VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
ASK_TIMEOUT_S = 30.0
PROJECT_TIMEOUT_S = 300.0
SYNC_TIMEOUT_S = 3600.0  # PyTorch with CUDA is 5 GB
NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"


def wanted() -> stamp.Stamp:
    return stamp.Stamp(
        checkout=str(CHECKOUT),
        dependencies=stamp.digest([torch.ANY, torch.CPU]),
        project=stamp.digest([CHECKOUT / "pyproject.toml"]),
    )


def work() -> stamp.Work:
    return stamp.decide(stamp.read(VENV), wanted(), usable=_usable())


def make(work: stamp.Work, uv: str) -> None:
    """Do `work`. Raises SetupFailed."""
    goal = wanted()
    stamp.remove(VENV)
    try:
        if work.venv:
            _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)], ASK_TIMEOUT_S)
        if work.dependencies:
            _sync(uv)
        if work.project:
            editable = ["--no-deps", "--no-build-isolation", "--quiet", "-e", str(CHECKOUT)]
            _run([uv, "pip", "install", "--python", str(PYTHON), *editable], PROJECT_TIMEOUT_S)
    except command.CommandFailed as error:
        raise SetupFailed(
            f"setting up .venv: {error}\nRemedy: see that the package index (UV_INDEX_URL) answers; then make again."
        ) from error
    stamp.write(VENV, goal)


def _sync(uv: str) -> None:
    sync = [uv, "pip", "sync", "--python", str(PYTHON), "--require-hashes"]
    reason = torch.objection_to_cpu(uv)
    if reason is None:
        try:
            _run([*sync, *torch.BACKEND, str(torch.CPU)], SYNC_TIMEOUT_S)
        except command.CommandFailed as error:
            reason = f"{torch.CPU.name} could not be installed: {error.reason}"
        else:
            print(f"setup: .venv by {torch.CPU.name}")
            return
    print(f"setup: .venv by {torch.ANY.name}, which brings PyTorch with CUDA on Linux ({reason})", flush=True)
    _run([*sync, str(torch.ANY)], SYNC_TIMEOUT_S)


def _run(argv: list[str], timeout_s: float) -> None:
    command.run(argv, label="setting up .venv", timeout_s=timeout_s, cwd=CHECKOUT, passthrough=True)


def _usable() -> bool:
    try:
        command.run([str(PYTHON), "-c", NEW_ENOUGH], label="trying .venv", timeout_s=ASK_TIMEOUT_S)
    except command.CommandFailed:
        return False
    return True
