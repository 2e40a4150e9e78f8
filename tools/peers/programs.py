"""Where each peer's program is: built through the Go module proxy into the cache folder, or found on PATH."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tools import gobuild
from tools.servers import ServerUnavailable
from tools.servers.built import BuiltServer

if TYPE_CHECKING:
    from collections.abc import Callable

_HERE = Path(__file__).parent
RESTIC = BuiltServer(
    "restic",
    "0.18.1",
    gobuild.Program(_HERE / "restic", "github.com/restic/restic/cmd/restic"),
    ask=("version",),
    answer="restic 0.18.1",
)
RCLONE = BuiltServer(
    "rclone",
    "1.76.0",
    gobuild.Program(
        _HERE / "rclone", "drstack.invalid/tools/peers/rclone", "github.com/rclone/rclone/fs.Version=v1.76.0"
    ),
    ask=("version",),
    answer="rclone v1.76.0",
)


def on_path(name: str, package: str) -> Path:
    """The program `name` of PATH. ServerUnavailable says which package brings it."""
    found = shutil.which(name)
    if found is None:
        raise ServerUnavailable(f"{name}: it is not on PATH. Install the package {package}.")
    return Path(found)


PEERS: dict[str, Callable[[], Path]] = {
    "restic": RESTIC.binary,
    "rclone": RCLONE.binary,
    "borg": lambda: on_path("borg", "borgbackup"),
    "zstd": lambda: on_path("zstd", "zstd"),
}


def kept(name: str) -> Path | None:
    """The program if it is there already; None where it would have to be built first, or is missing."""
    if name not in ("restic", "rclone"):
        found = shutil.which(name)
        return None if found is None else Path(found)
    built = RESTIC if name == "restic" else RCLONE
    program = built.folder() / "bin" / built.program.name
    return program if program.is_file() else None
