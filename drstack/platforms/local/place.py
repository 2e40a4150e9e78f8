"""Where a site's supervisord was started last, so that a look at this machine can say that nothing of the site is left.

A place is one boot of one kernel, a process namespace in it, and a user: who stands in the same one sees every process
that was started there, and a namespace that has gone took its processes with it. Known on Linux only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from drstack.platforms.local.atomic import write_text

if TYPE_CHECKING:
    from drstack.platforms.local.folder import SiteFolder

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


def note(folder: SiteFolder) -> None:
    """Write down that a supervisord is started here. To be called before it is. OSError."""
    place = _here()
    if place is None:
        folder.place.unlink(missing_ok=True)
    else:
        write_text(folder.place, f"{place} {os.geteuid()}\n")


def is_here(folder: SiteFolder) -> bool:
    """Whether the last one was started where this process looks, and this process may see it. OSError."""
    place = _here()
    if place is None or not folder.place.exists():
        return False
    where, _, user = folder.place.read_text().strip().rpartition(" ")
    return where == place and os.geteuid() in (0, int(user))


def _here() -> str | None:
    try:
        return f"{_BOOT.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:
        return None
