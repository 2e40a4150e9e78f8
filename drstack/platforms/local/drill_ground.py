"""The idle part of a local site as a drill's operator holds it, and hears when it is wanted.

Invariant: the first change of what the real site shall run is an order to end; the provers of the site wait meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.errors import NotReady
from drstack.platforms.local.apart import LocalStandby
from drstack.platforms.local.desired import Desired, read_desired, told_otherwise
from drstack.platforms.local.folder import socket_path
from drstack.platforms.local.guests import end_drill, marks
from drstack.platforms.local.processes import can_look

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from drstack.platforms.local.folder import SiteFolder


class LocalGround:
    """Implements `drstack.drills.ground.Ground`."""

    def __init__(self, folder: SiteFolder, site: str) -> None:
        self._folder = folder
        self._site = site
        self._found: Desired | None = None

    @property
    def site(self) -> str:
        return self._site

    @contextmanager
    def held(self, *, wait_s: float) -> Generator[None]:
        if not can_look():
            raise NotReady(
                "this machine does not show its processes: a drill's could not be told from the real ones",
                hint="Hold drills on a machine with /proc.",
            )
        if not self._folder.path.is_dir():
            raise NotReady(f"the folder of site {self._site}, {self._folder.path}, is not there")
        with LocalStandby(self._folder, self._site).held(wait_s=wait_s):
            self._found = read_desired(self._folder)
            yield

    def wanted(self) -> str | None:
        return told_otherwise(self._folder, self._site, self._found)

    def writable(self) -> tuple[Path, ...]:
        return (socket_path(self._folder, os.environ).parent, Path("/dev"))

    def environ(self, drill: Path) -> Mapping[str, str]:
        return marks(self._folder, drill)

    @contextmanager
    def guarded(self, drill: Path, leash: Path) -> Generator[None]:
        warden = subprocess.Popen(
            [sys.executable, "-m", "drstack.platforms.local.warden", str(leash), str(drill)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
        )  # fmt: skip
        try:
            yield
        finally:
            warden.kill()
            warden.wait(10)

    def end(self, drill: Path) -> tuple[str, ...]:
        return tuple(f"process {pid}" for pid in end_drill(drill))
