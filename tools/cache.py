"""The cache folder outside the checkout, where what is expensive to get is kept by version.

A folder in it is absent or complete: it is made aside, under a lock, and renamed into place, so that neither
a killed nor a second process leaves half of one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tools.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

LOCK_POLL_S = 0.1
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class LockBusy(Exception):
    """Another process held the lock for longer than we wait."""


def root(environ: Mapping[str, str] = os.environ) -> Path:
    if own := environ.get("DRSTACK_CACHE"):
        return Path(own).expanduser().absolute()
    if xdg := environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser().absolute() / "drstack"
    return Path.home() / ".cache" / "drstack"


def host() -> str:
    """Go's name for this machine: `linux-amd64`, `darwin-arm64`."""
    machine = platform.machine().lower()
    return f"{sys.platform}-{ARCHITECTURES.get(machine, machine)}"


@contextlib.contextmanager
def exclusive(lock: Path, *, label: str, timeout_s: float) -> Generator[None]:
    """Hold `lock` against other processes. It ends with its holder, also when that is killed."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(f"waiting for another process: {label}")
    with lock.open("a") as file:
        try:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if progress.elapsed_s() > timeout_s:
                        raise LockBusy(f"{lock} was held by another process for {timeout_s:.0f} s") from error
                    progress.tick()
                    time.sleep(LOCK_POLL_S)
        finally:
            progress.close()
        yield


def install(
    folder: Path,
    make: Callable[[Path], None],
    *,
    serves: Callable[[Path], bool],
    label: str,
    timeout_s: float,
) -> bool:
    """Make `folder` unless it already serves; whether it was made now. `make` fills the folder that it is given."""
    if serves(folder):
        return False
    with exclusive(folder.parent / f"{folder.name}.lock", label=label, timeout_s=timeout_s):
        if serves(folder):
            return False
        prefix = f".{folder.name}.partial-"
        for left_over in folder.parent.glob(f"{prefix}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
        try:
            partial.chmod(0o755)
            make(partial)
            if folder.exists():
                folder.rename(partial.with_name(f"{partial.name}-old"))
            partial.rename(folder)
        finally:
            for left_over in folder.parent.glob(f"{prefix}*"):
                shutil.rmtree(left_over, ignore_errors=True)
    return True
