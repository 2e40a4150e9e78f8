"""Where `uv` comes from: PATH, else a small virtual environment `.venv-uv`, pinned by hash in `uv.txt`."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

from tools import command
from tools.setup import CHECKOUT, SetupFailed

OLDEST = (0, 8)  # `uv venv --clear`, `uv pip sync --torch-backend`
OWN = CHECKOUT / ".venv-uv"
PINNED = Path(__file__).parent / "uv.txt"
ASK_TIMEOUT_S = 30.0
INSTALL_TIMEOUT_S = 600.0
REMEDY = "sudo apt-get install python3-venv (or what your system calls it), or put uv on PATH; then make again."


def find() -> str:
    """Path of a `uv` that serves, installed first where there is none. Raises SetupFailed."""
    on_path = shutil.which("uv")
    if on_path is not None and new_enough(_version(on_path)):
        return on_path
    own = str(OWN / "bin" / "uv")
    if not new_enough(_version(own)):
        _install()
    return own


def new_enough(version: str) -> bool:
    """Whether what `uv --version` said (empty: nothing) names one that serves."""
    match = re.match(r"uv (\d+)\.(\d+)\.", version)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST


def _version(uv: str) -> str:
    try:
        return command.run([uv, "--version"], label="asking uv for its version", timeout_s=ASK_TIMEOUT_S)
    except command.CommandFailed:
        return ""


def _install() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        _install_ensurepip()
    shutil.rmtree(OWN, ignore_errors=True)
    pip = [str(OWN / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    try:
        command.run(
            [sys.executable, "-m", "venv", str(OWN)],
            label="making .venv-uv",
            timeout_s=INSTALL_TIMEOUT_S,
        )
        command.run(
            [*pip, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(PINNED)],
            label="installing uv into .venv-uv",
            timeout_s=INSTALL_TIMEOUT_S,
        )
    except command.CommandFailed as error:
        raise SetupFailed(f"no uv on PATH, and none could be installed: {error}\nRemedy: {REMEDY}") from error


def _install_ensurepip() -> None:
    """Debian and Ubuntu keep it in a package of its own, which a bare machine lacks."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        raise SetupFailed(f"no uv on PATH, and {sys.executable} cannot make virtual environments.\nRemedy: {REMEDY}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    package = ["install", "-y", "--no-install-recommends", "python3-venv"]
    try:
        for argv in (["update"], package):
            command.run(
                [apt, "-qq", *argv],
                label=f"apt-get {' '.join(argv)}",
                timeout_s=INSTALL_TIMEOUT_S,
                env=env,
            )
    except command.CommandFailed as error:
        raise SetupFailed(f"python3-venv could not be installed: {error}\nRemedy: {REMEDY}") from error
    importlib.invalidate_caches()
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupFailed(
            f"python3-venv is installed, but not for {sys.executable}.\n"
            "Remedy: make PYTHON=/usr/bin/python3, or put uv on PATH."
        )
