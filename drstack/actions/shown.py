"""A program's output as it is told: its end, without secrets, without what a terminal would obey. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drstack.actions.process import Ended
    from drstack.actions.secrets import Secrets

SHOWN = 2000
"""Characters of an output that are kept in the journal."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def told(ended: Ended, secrets: Secrets) -> str:
    """Of an output that was cut, the edge is left out too: it may be part of a secret."""
    return shown(ended.output, secrets, cut=ended.cut)


def shown(output: str, secrets: Secrets, *, cut: bool = False) -> str:
    """`cut`: its beginning is missing."""
    masked = secrets.masked(output.replace("\r\n", "\n"))
    text = _CONTROL.sub("", masked[secrets.longest :] if cut else masked).strip()
    return text if len(text) <= SHOWN else "…" + text[-SHOWN:]


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:300]
