"""Caddy, the router that local sites are served through: health checks, affinity and weights by its admin API.

The `caddy` on PATH is taken if it is new enough; else it is built through the Go module proxy into
`<cache>/caddy/<version>-<os>-<architecture>/bin`, where drstack/platforms/local/caddy.py looks for it.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tools import cache, command, gobuild
from tools.servers import ServerUnavailable

VERSION = "2.11.9"
OLDEST = (2, 8)
PROGRAM = gobuild.Program(
    Path(__file__).parent / "caddy",
    "github.com/caddyserver/caddy/v2/cmd/caddy",
    f"github.com/caddyserver/caddy/v2.CustomVersion=v{VERSION}",
)
ASK_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 1800.0


def folder() -> Path:
    return cache.root() / "caddy" / f"{VERSION}-{cache.host()}"


def binary() -> Path:
    """Path of a program that serves, built first where there is none. Raises ServerUnavailable."""
    there = shutil.which("caddy")
    if there is not None and (release(Path(there)) or (0, 0)) >= OLDEST:
        return Path(there)
    try:
        cache.install(folder(), _make, serves=_serves, label="it builds Caddy", timeout_s=LOCK_TIMEOUT_S)
    except (gobuild.BuildFailed, cache.LockBusy, OSError) as error:
        raise ServerUnavailable(
            f"caddy {VERSION}: {error}. Install Caddy 2.8 or newer; or, to build it (about two minutes, once): Go "
            "(1.21 or newer) and a module proxy (GOPROXY)."
        ) from error
    return folder() / "bin" / PROGRAM.name


def release(program: Path) -> tuple[int, int] | None:
    """Major and minor version, which the program tells as `v2.11.9 h1:…`; None if it does not run."""
    try:
        answer = command.run([str(program), "version"], label="asking Caddy for its version", timeout_s=ASK_TIMEOUT_S)
    except command.CommandFailed:
        return None
    match = re.match(r"v?(\d+)\.(\d+)", answer.strip())
    return (int(match[1]), int(match[2])) if match else None


def _make(partial: Path) -> None:
    print(
        f"caddy: building {VERSION} through the Go module proxy: about two minutes on two cores, once", file=sys.stderr
    )
    gobuild.build(PROGRAM, partial / "bin")
    if not _serves(partial):
        raise gobuild.BuildFailed("the program that was built does not run")


def _serves(kept: Path) -> bool:
    return release(kept / "bin" / PROGRAM.name) is not None
