"""Lets a tool that is stopped clean up: its temporary folders go, and the programs that it started end."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def as_exit() -> None:
    """Turn SIGTERM and SIGHUP into SystemExit, so that `finally` runs."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
