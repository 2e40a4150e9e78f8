"""What a running command tells its caller, and what is said of one that failed.

Decides how often a waiting command is spoken of, and which lines explain a failure. Invariant: a caller hears
something at least every HEARTBEAT_S, and a failure never comes without the engine's own words.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drstack.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drstack.reconcile.events import Story
    from drstack.reconcile.leashed import Finished

HEARTBEAT_S = 10.0
LAST_LINES = 15
LOCKED = "currently locked"


@dataclass
class Telling:
    """Reads the event log as it grows, and passes on what is worth it."""

    story: Story
    say: Callable[[str], None]
    label: str
    log: Path | None = None
    clock: Callable[[], float] = time.monotonic
    _offset: int = field(default=0, init=False)
    _spoke: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._spoke = self.clock()

    def tick(self) -> None:
        for told in map(self.story.tell, self._lines()):
            if told is not None:
                self._say(told)
        if self.clock() - self._spoke > HEARTBEAT_S:
            self._say(self.story.waiting() or f"{self.label} is at work")

    def _say(self, text: str) -> None:
        self._spoke = self.clock()
        self.say(text)

    def _lines(self) -> list[str]:
        """Whole lines that are new; the engine may be in the middle of one."""
        if self.log is None:
            return []
        with self.log.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode(errors="replace").splitlines()


def failure(telling: Telling, ended: Finished, stack: str) -> EngineFailed:
    """The error for a command that ended with another code than 0."""
    words = telling.story.errors or [*ended.complained.splitlines(), *ended.printed.splitlines()]
    last = [line for text in words for line in text.splitlines() if line.strip()][-LAST_LINES:]
    said = "".join(f"\n  {line}" for line in last) or " and said nothing"
    text = f"pulumi {telling.label} ended with {ended.code}:{said}"
    if LOCKED in ended.complained or LOCKED in ended.printed:
        hint = f"If nothing works on it any more: pulumi cancel --yes --stack {stack}" if stack else None
        return EngineFailed(text, hint=hint)
    return EngineFailed(text, hint="Correct what the engine names, then run the command again.")
