"""Where a fact comes from, how old it is, and how sure it is.

Invariant: what nobody could see is `unknown`, never taken for its contrary (DESIGN, rule 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Certainty = Literal["seen", "told", "supposed", "unknown"]
"""`seen`: looked at just now. `told`: somebody else's word, as old as it says. `supposed`: follows from other facts, and
was never shown. `unknown`: it could not be asked."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`source`: a URL, a file, a site or a record, in words. `at`: unix seconds of when it was so; None: nobody knows."""

    source: str
    at: float | None
    certainty: Certainty

    def age_s(self, now: float) -> float | None:
        """Seconds; a clock that is behind the fact's makes it 0."""
        return None if self.at is None else max(0.0, now - self.at)

    def document(self, now: float) -> dict[str, object]:
        return {"source": self.source, "age_s": self.age_s(now), "certainty": self.certainty}


def seen(source: str, at: float) -> Evidence:
    return Evidence(source, at, "seen")


def told(source: str, at: float | None) -> Evidence:
    return Evidence(source, at, "told")


def supposed(source: str, at: float | None = None) -> Evidence:
    return Evidence(source, at, "supposed")


def unknown(source: str) -> Evidence:
    return Evidence(source, None, "unknown")
