"""Which Python runs a local site's own programs and, where no other is declared, its jobs.

Decided once, by whoever makes the site, and recorded in its folder. Invariant: while the recorded one can run, no other
caller's takes its place, so that a promotion from elsewhere (a recovery kit, another operator's environment) finds the
site's own training environment, and ends without leaving the site dependent on the caller's.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from drstack.platforms.local.atomic import locked, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.platforms.local.folder import SiteFolder


def of_site(folder: SiteFolder, caller: str = sys.executable) -> str:
    """The recorded interpreter; where there is none that can run, the caller's, which is recorded."""
    with locked(folder.interpreter):
        known = _recorded(folder.interpreter)
        if known is not None and os.access(known, os.X_OK):
            return known
        write_text(folder.interpreter, f"{caller}\n")
        return caller


def gone(folder: SiteFolder) -> bool:
    """Whether the recorded interpreter cannot run any more, so that nothing of the site could be started."""
    known = _recorded(folder.interpreter)
    return known is not None and not os.access(known, os.X_OK)


def _recorded(note: Path) -> str | None:
    with suppress(FileNotFoundError):
        return note.read_text().strip() or None
    return None
