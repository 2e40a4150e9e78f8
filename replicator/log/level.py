"""What a program has to know to read, and to write, a log (docs/format.md, Levels).

A log is of level 1 until an `upgrade` entry in it says otherwise: an act of its own, never a side effect of writing. The
entry says it in a form that every version which knows levels can read, so that what is too new is told from damage.
Invariant: nothing is written to a log whose writers have to know more than this version does.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.errors import TooNew

LEVEL = 1
"""The newest that this version knows; `RELEASE` is the first release that did."""
RELEASE = "0.1"


@dataclass(frozen=True, slots=True)
class Needs:
    """The least level of a reader and of a writer, keepers and verifiers among them; `release` is the first that has both."""

    reader: int = 1
    writer: int = 1
    release: str = RELEASE

    def raised(self, reader: int, writer: int, release: str) -> Needs:
        """Each level the greater of the two; the release is of whoever raised one."""
        now = max(self.reader, reader), max(self.writer, writer)
        return self if now == (self.reader, self.writer) else Needs(*now, release)

    def require_reader(self, where: str) -> None:
        """TooNew, with the release that is needed."""
        self._require(self.reader, f"{where} can be read by level {self.reader} and up")

    def require_writer(self, where: str) -> None:
        self._require(self.writer, f"{where} can be written by level {self.writer} and up; nothing was written")

    def _require(self, level: int, what: str) -> None:
        if level > LEVEL:
            raise TooNew(
                f"{what}; this version knows {LEVEL}",
                hint=f"Use drstack {self.release} or newer for it, at every site.",
            )


FIRST = Needs()
