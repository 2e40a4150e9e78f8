"""`make setup`: uv and `.venv`. Every other target runs it first; where nothing changed it does nothing."""

from __future__ import annotations

import sys

from tools import cache, interruption
from tools.setup import CHECKOUT, SetupFailed, uv, venv

LOCK = CHECKOUT / ".drstack" / "setup.lock"
LOCK_TIMEOUT_S = 3600.0


def main() -> int:
    interruption.as_exit()
    try:
        with cache.exclusive(LOCK, label="it sets up .venv", timeout_s=LOCK_TIMEOUT_S):
            if work := venv.work():
                venv.make(work, uv.find())
    except (SetupFailed, cache.LockBusy) as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
