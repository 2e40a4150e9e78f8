"""What a page consists of, before anybody says whether it becomes HTML or Markdown. Values only.

Invariant: a text is never markup; whoever renders it escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mono:
    """Something to type, or a name as the machine writes it."""

    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A judgement: good or not."""

    text: str
    good: bool


Piece = str | Mono | Mark
Line = Piece | tuple[Piece, ...]


def told(text: str) -> Line:
    """A text of ours, in which names stand between backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one that nothing closes is a character like any other
        return text
    pieces = (Mono(each) if n % 2 else each for n, each in enumerate(parts))
    return tuple(each for each in pieces if each)


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2
    new_page: bool = False
    """Whether it begins a sheet when it is printed."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    line: Line
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Attention:
    """What must not be missed. Shown only where there is something."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Commands:
    """To be typed, one after another."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    items: tuple[Line, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]
    numbers: tuple[int, ...] = ()
    """Columns that hold numbers."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Figures: what it is, its value, and what to think of it."""

    tiles: tuple[tuple[str, str, Line], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """`svg` is markup that was made here; `alt` says it in words, `text` draws it in letters."""

    svg: str
    alt: str
    text: str = ""


Block = Heading | Paragraph | Attention | Commands | Listing | Table | Tiles | Picture


@dataclass(frozen=True, slots=True)
class Page:
    """`eyebrow`: what kind of page it is, above its title."""

    title: str
    eyebrow: str
    blocks: tuple[Block, ...]


def noted(*lines: tuple[str, str]) -> Commands:
    """Commands, each with what it does, one below the other."""
    width = max(len(typed) for typed, _ in lines)
    return Commands(tuple(f"{typed:<{width}}  # {note}" for typed, note in lines))
