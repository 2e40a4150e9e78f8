"""Keeps the newest recovery point served: looks, restores, loads beside what serves, then swaps.

Invariant: while anything newer is fetched or loaded, or turns out not to be servable, what served before goes on; an
answer comes from one model, the one that was there when its request was taken up.
"""

import sys
import threading
import time
from dataclasses import dataclass

from examples.serve.errors import NotServable
from examples.serve.model import Model
from examples.serve.weights import Found, Source, why
from replicator.errors import ReplicatorError


@dataclass(frozen=True)
class Served:
    """What answers come from now."""

    model: Model
    commit: str
    saved_at: float
    loaded_at: float


class Reloader:
    """`now` is what serves; None until the first recovery point is loaded. `trouble` says what keeps a newer one out."""

    def __init__(self, source: Source, poll_s: float) -> None:
        self._source = source
        self._poll_s = poll_s
        self._refused: str | None = None
        self.now: Served | None = None
        self.trouble: str | None = "no recovery point yet"

    def run(self, stop: threading.Event) -> None:
        """Look again and again until `stop` is set."""
        while not stop.is_set():
            try:
                self.look()
            except ReplicatorError as error:
                self._say(why(error))
            stop.wait(self._poll_s)

    def look(self) -> bool:
        """Serve the newest recovery point; whether it is newer than what was served. ReplicatorError."""
        found = self._source.newest()
        if found is None:
            self._say("no recovery point yet" if self.now is None else "no recovery point stands any more")
            return False
        if self.now is not None and found.commit == self.now.commit:
            self.trouble = None
            return False
        if found.commit == self._refused:
            return False
        return self._load(found)

    def _load(self, found: Found) -> bool:
        try:
            model = Model(self._source.fetch(found), found.step)
        except NotServable as error:
            self._refused = found.commit
            self._say(str(error))
            return False
        self.now = Served(model, found.commit, found.saved_at, time.time())
        self.trouble = None
        self._source.keep_only(found)
        print(f"serves step {found.step}, commit {found.commit}", flush=True)
        return True

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            print(f"examples.serve: {trouble}", file=sys.stderr, flush=True)
        self.trouble = trouble
