"""Which engine is taken: the first way that serves. A way that does not says why in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tools.engine.version import Version


class Unserved(Exception):
    """A way does not serve on this machine; the message says why."""


class NoEngine(Exception):
    """No way served. `reasons` is one line a way."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("no Pulumi engine: " + "; ".join(reasons))


@dataclass(frozen=True, slots=True)
class Engine:
    bin: Path
    """The folder that holds `pulumi` and `pulumi-language-python`."""
    version: Version
    way: str
    """Where it came from: `path`, `release` or `go`."""
    why: str


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    take: Callable[[], Engine]


@dataclass(frozen=True, slots=True)
class Choice:
    engine: Engine
    reasons: tuple[str, ...]
    """Why the ways before it did not serve."""


def choose(ways: Sequence[Way]) -> Choice:
    reasons: list[str] = []
    for way in ways:
        try:
            return Choice(way.take(), tuple(reasons))
        except Unserved as reason:
            reasons.append(f"{way.name}: {reason}")
    raise NoEngine(reasons)
