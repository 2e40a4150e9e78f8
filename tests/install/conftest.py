"""The wheel, built as a release is, and two virtual environments that hold it. Made once for all tests here.

`base` is an empty environment with a base install, `full` one with every extra, both from the package index. Versions are
the lock's, so that uv has them in its cache since the checkout was set up.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drstack.extras import EXTRAS
from tools.notrun import not_run
from tools.setup import SetupFailed, torch, uv

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
LOCK = CHECKOUT / "requirements.lock"
TIMEOUT_S = 240
HIDDEN = ("PULUMI_", "DRSTACK_", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it."""

    venv: Path

    @property
    def site_packages(self) -> Path:
        return next((self.venv / "lib").glob("python*")) / "site-packages"

    def run(self, command: str, *arguments: object, cwd: Path, timeout_s: float = 120, **environ: str):
        """`command` of this environment, in a shell that knows nothing of the checkout or of this environment."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        return subprocess.run(
            [self.venv / "bin" / command, *map(str, arguments)], cwd=cwd, env=inherited | environ, text=True,
            capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False,
        )  # fmt: skip


@dataclass(frozen=True)
class Built:
    """What `uv build` made, and a wheel built straight from the checkout."""

    sdist: Path
    wheel: Path
    direct: Path


def run_uv(*arguments: object) -> str:
    """What it said."""
    try:
        program = uv.find()
    except SetupFailed as error:
        not_run(f"uv: {error}")
    done = subprocess.run(
        [program, *map(str, arguments)], cwd=CHECKOUT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, f"uv {' '.join(map(str, arguments))}:\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Built:
    """Without build isolation: hatchling is the checkout's, as locked."""
    out, direct = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("direct")
    build = ("build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable)
    run_uv(*build, "--out-dir", out)
    run_uv(*build, "--wheel", "--out-dir", direct)
    (sdist,), (wheel,), (other,) = out.glob("*.tar.gz"), out.glob("*.whl"), direct.glob("*.whl")
    return Built(sdist, wheel, other)


@pytest.fixture(scope="session")
def base(built, tmp_path_factory) -> Installed:
    venv = tmp_path_factory.mktemp("base") / "venv"
    run_uv("venv", "--quiet", "--python", sys.executable, venv)
    run_uv("pip", "install", "--quiet", "--python", venv / "bin" / "python", "--constraint", LOCK, built.wheel)
    return Installed(venv)


@pytest.fixture(scope="session")
def full(built, tmp_path_factory) -> Iterator[Installed]:
    """With the PyTorch that the checkout has: gigabytes, which go at the end."""
    venv = tmp_path_factory.mktemp("full") / "venv"
    backend = torch.BACKEND if torch.objection_to_cpu(uv.find()) is None else ()
    lock = torch.CPU if backend else torch.ANY
    wanted = f"drstack[{','.join(EXTRAS)}] @ {built.wheel.as_uri()}"
    run_uv("venv", "--quiet", "--python", sys.executable, venv)
    run_uv("pip", "install", "--quiet", *backend, "--python", venv / "bin" / "python", "--constraint", lock, wanted)
    yield Installed(venv)
    shutil.rmtree(venv)
