"""Cleans up after a drill whose operator is gone: `python -m drstack.platforms.local.warden FIFO DRILL_FOLDER`.

The operator holds the write end of the FIFO; their death closes it, however they die. Runs in a session of its own and
carries no mark, so that nobody who ends the drill ends it too. Invariant: some seconds later no process of the drill is
left, and its folder is gone, so that its disk is free for the real work.
"""

from __future__ import annotations

import sys
from pathlib import Path

from drstack.platforms.local.guests import end_drill, forget_drill
from drstack.platforms.local.leash import wait_for_the_end

END_S = 30.0

if __name__ == "__main__":
    wait_for_the_end(Path(sys.argv[1]))
    if not end_drill(Path(sys.argv[2]), within_s=END_S):
        forget_drill(Path(sys.argv[2]))
