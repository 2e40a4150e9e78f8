"""The demo's hand on local sites: bring one back as it was, wait for its training, stop it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from drstack.demo.trace import last_step
from drstack.errors import DemoFailed
from drstack.platforms.local import programs
from drstack.platforms.local.desired import read_desired
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.pool import settle
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.teardown import end_processes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def resurrect(folder: SiteFolder) -> None:
    """Start what the site's own files say, asking nobody: as after a power cut."""
    supervisor = Supervisor(folder)
    supervisor.ensure(fifo=os.environ.get("DRSTACK_LEASH"))
    supervisor.start(programs.REPLICATOR)
    desired = read_desired(folder)
    if desired is None:
        raise DemoFailed(f"{folder.path} has no desired state: it was no site")
    settle(folder, lambda: desired.slots, deadline_s=30.0)


def await_step(site: Path, workload: str, step: int, *, deadline_s: float) -> int:
    """Wait until the site's training has made `step`. Returns the last step. DemoFailed."""
    metrics = site_folder(site).metrics(workload)
    ends = time.monotonic() + deadline_s
    while time.monotonic() < ends:
        reached = last_step(metrics) or 0
        if reached >= step:
            return reached
        time.sleep(0.1)
    raise DemoFailed(f"{site.name} did not reach step {step} within {deadline_s:g} s; it is at {last_step(metrics)}")


def stop_everything(sites: Iterable[Path]) -> None:
    """End every process of the sites; their folders stay."""
    for site in sites:
        end_processes(site_folder(site))
