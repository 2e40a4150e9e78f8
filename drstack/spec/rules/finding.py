"""What a rule finds: a fault that does not know its line yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from drstack.spec.draft import Draft


@dataclass(frozen=True, slots=True)
class Finding:
    path: tuple[str | int, ...]
    got: str
    expected: str
    remedy: str


Rule = Callable[[Draft], Iterator[Finding]]


def named(names: Iterable[str]) -> str:
    """Names as a choice."""
    listed = ", ".join(names)
    return f"one of {listed}" if listed else "a declared name"
