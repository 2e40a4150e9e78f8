"""Which process carries out a step, so that another on the same machine can tell whether it lives.

Invariant: gone is said only of a process of this boot and this process namespace; of any other nothing is known here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

Doc = dict[str, Any]


def this() -> Doc:
    return {"place": _place(), "pid": os.getpid(), "began": _began(os.getpid())}


def gone(executor: Doc) -> bool:
    place = _place()
    if place is None or executor.get("place") != place or executor.get("began") is None:
        return False
    return _began(int(executor["pid"])) != executor["began"]


def _place() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - a link to no file
    except OSError:
        return None


def _began(pid: int) -> str | None:
    """When the process started, in clock ticks since the boot; None where it does not live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]
