"""The disaster: wait until a checkpoint is being written, freeze the site, see that it is torn, and kill everything.

The freeze only settles the question whether the moment was caught; a site that finished its checkpoint in the very
instant is let go on, and the next checkpoint is waited for.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.demo.trace import complete_checkpoints, last_step
from drstack.errors import DemoFailed
from drstack.platforms.local import processes
from drstack.platforms.local.folder import SiteFolder, site_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class Killed:
    """`at` unix seconds; `files`: those of the torn checkpoint, as they lay there."""

    at: float
    step: int
    checkpoint: str
    files: tuple[str, ...]
    processes: int


def kill_while_saving(
    site: Path, workload: str, *, after_step: int, deadline_s: float, say: Callable[[str], None]
) -> Killed:
    """SIGKILL everything of the site while a checkpoint later than `after_step` is being written. DemoFailed."""
    folder = site_folder(site)
    checkpoints = folder.checkpoints(f"checkpoints/{workload}")
    metrics = folder.metrics(workload)
    ends = time.monotonic() + deadline_s
    said = ends - deadline_s
    while time.monotonic() < ends:
        torn = _being_written(checkpoints)
        if torn is not None and (last_step(metrics) or 0) >= after_step:
            victims = [seen.pid for seen in processes.of_site(folder) if seen.ours]
            _signal(victims, signal.SIGSTOP)
            if _being_written(checkpoints) == torn:
                return _kill(folder, torn, metrics)
            _signal(victims, signal.SIGCONT)
        if time.monotonic() - said > 5:  # noqa: PLR2004
            said = time.monotonic()
            say(f"training is at step {last_step(metrics) or 0}, {len(complete_checkpoints(checkpoints))} checkpoints")
        time.sleep(_POLL_S)
    raise DemoFailed(f"no checkpoint of {workload} was caught being written within {deadline_s:g} s")


def take_away(site: Path, lost: Path) -> None:
    """The storage goes with the site."""
    lost.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(site, lost)


def bring_back(lost: Path, site: Path) -> None:
    """The same bytes in the same place, as if the power had come back."""
    shutil.move(lost, site)


def _being_written(checkpoints: Path) -> Path | None:
    with suppress(FileNotFoundError):
        for folder in checkpoints.iterdir():
            if folder.is_dir() and not (folder / ".metadata").exists() and _sizes(folder):
                return folder
    return None


def _sizes(folder: Path) -> bool:
    with suppress(FileNotFoundError):
        return any(path.stat().st_size > 0 for path in folder.iterdir())
    return False


def _kill(folder: SiteFolder, torn: Path, metrics: Path) -> Killed:
    count = 0
    at = time.time()
    while victims := [seen.pid for seen in processes.of_site(folder) if seen.ours]:
        count += len(_signal(victims, signal.SIGKILL))
        if time.time() - at > 10:  # noqa: PLR2004
            raise DemoFailed(f"processes {victims} of {folder.path} outlive SIGKILL")
        time.sleep(0.02)
    files = tuple(sorted(path.name for path in torn.iterdir()))
    return Killed(at, last_step(metrics) or 0, torn.name, files, count)


def _signal(pids: list[int], number: int) -> list[int]:
    reached: list[int] = []
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            reached.append(pid)
    return reached
