"""versitygw, an S3 server over a folder: real signatures, checksums, conditional puts and object lock.

Built through the Go module proxy into `<cache>/versitygw/<version>-<os>-<architecture>/bin`.
"""

from __future__ import annotations

from pathlib import Path

from tools import cache, command, gobuild
from tools.servers import ServerUnavailable

VERSION = "1.8.0"
PROGRAM = gobuild.Program(
    Path(__file__).parent / "versitygw",
    "github.com/versity/versitygw/cmd/versitygw",
    f"main.Version=v{VERSION}",
)
ASK_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 1800.0


def folder() -> Path:
    return cache.root() / "versitygw" / f"{VERSION}-{cache.host()}"


def binary() -> Path:
    """Path of the server's program, built first where the cache has none. Raises ServerUnavailable."""
    try:
        cache.install(folder(), _make, serves=_serves, label="it builds versitygw", timeout_s=LOCK_TIMEOUT_S)
    except (gobuild.BuildFailed, cache.LockBusy, OSError) as error:
        raise ServerUnavailable(
            f"versitygw {VERSION}: {error}. It needs Go (1.21 or newer) and a module proxy (GOPROXY)."
        ) from error
    return folder() / "bin" / PROGRAM.name


def _make(partial: Path) -> None:
    gobuild.build(PROGRAM, partial / "bin")
    if not _serves(partial):
        raise gobuild.BuildFailed("the program that was built does not run")


def _serves(kept: Path) -> bool:
    try:
        answer = command.run(
            [str(kept / "bin" / PROGRAM.name), "--version"],
            label="asking versitygw for its version",
            timeout_s=ASK_TIMEOUT_S,
        )
    except command.CommandFailed:
        return False
    return VERSION in answer
