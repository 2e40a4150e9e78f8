"""Ends a site when whoever holds the leash is gone: `python -m drstack.platforms.local.leash FIFO SITE_FOLDER`.

A demo or a drill holds the write end of the FIFO; its death closes it, however it dies. Invariant: no process of the
site is left about five seconds later.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from drstack.errors import ActuatorFailed
from drstack.platforms.local import processes
from drstack.platforms.local.folder import SiteFolder, site_folder
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline

LOOK_S = 1.0
SHUTDOWN_S = 0.5
KILL_S = 5.0


def wait_for_the_end(fifo: Path) -> None:
    """Return when nobody holds the write end, or the FIFO is gone."""
    try:
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        poller = select.poll()
        poller.register(reader, select.POLLIN)
        while fifo.exists():
            events = poller.poll(int(LOOK_S * 1000))
            if not events:
                # Without a writer since the open, Linux reports no hang-up: an empty read tells.
                if _ended(reader):
                    return
            elif events[0][1] & (select.POLLHUP | select.POLLERR) or _ended(reader):
                return
    finally:
        os.close(reader)


def _ended(reader: int) -> bool:
    try:
        return os.read(reader, 4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def end_site(folder: SiteFolder) -> None:
    """Shut supervisord down, then kill whatever of the site is left, supervisord included."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        Supervisor(folder, timeout_s=SHUTDOWN_S).shutdown()
        Deadline(SHUTDOWN_S).until(lambda: not any(seen.ours for seen in processes.of_site(folder)))
    except ActuatorFailed as error:
        print(f"leash: {error}", file=sys.stderr)  # noqa: T201 — supervisord keeps it as the log
    processes.end(folder, deadline_s=KILL_S, spare_family=False)


if __name__ == "__main__":
    wait_for_the_end(Path(sys.argv[1]))
    end_site(site_folder(sys.argv[2]))
