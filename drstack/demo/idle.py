"""`python -m drstack.demo.idle COMMAND …`: run it when nothing else wants to run, in the session that the caller made for it."""

from __future__ import annotations

import os
import sys

from replicator.service.priority import become_idle

if __name__ == "__main__":
    become_idle(session_is_ours=True)  # what could not be done makes the demo slower, and nothing else
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command of whoever calls
