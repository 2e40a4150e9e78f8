"""Which Caddy runs.

Decides between the one on PATH and those that `make servers` built into the cache. Invariant: what is returned runs and
knows weights and affinity with a fallback (2.8), so that a router fails here, with the remedy, and not when it is told.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST = (2, 8)
ASK_S = 20.0


def find_caddy(environ: Mapping[str, str] = os.environ) -> Path:
    """ActuatorFailed where there is none that serves."""
    onpath = shutil.which("caddy", path=environ.get("PATH", os.defpath))
    built = sorted((_cache(environ) / "caddy").glob("*/bin/caddy"), key=lambda path: _numbers(path.parts[-3]))
    reasons: list[str] = []
    for program in [*([Path(onpath)] if onpath else []), *reversed(built)]:
        version = _version(program)
        if version >= OLDEST:
            return program
        reasons.append(f"{program} is {'.'.join(map(str, version))}" if version else f"{program} does not run")
    raise ActuatorFailed(
        f"there is no Caddy 2.8 or newer to route requests: {'; '.join(reasons) or 'none on PATH, none built'}",
        hint="make servers builds it (about two minutes, once); or install Caddy 2.8 or newer.",
    )


def _cache(environ: Mapping[str, str]) -> Path:
    """Where tools/cache.py keeps what was built."""
    if own := environ.get("DRSTACK_CACHE"):
        return Path(own).expanduser().absolute()
    if xdg := environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser().absolute() / "drstack"
    return Path.home() / ".cache" / "drstack"


def _version(program: Path) -> tuple[int, ...]:
    """Empty if it does not run."""
    try:
        told = subprocess.run(
            [program, "version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return _numbers(told.stdout.strip().partition(" ")[0]) if told.returncode == 0 else ()


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()
