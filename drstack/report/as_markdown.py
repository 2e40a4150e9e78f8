"""A page as Markdown that reads well as it is. Pure. Every text is escaped here, and stays on its line."""

from __future__ import annotations

import re
from typing import assert_never

from drstack.report.blocks import (
    Attention,
    Block,
    Commands,
    Heading,
    Line,
    Listing,
    Mark,
    Mono,
    Page,
    Paragraph,
    Picture,
    Piece,
    Table,
    Tiles,
)

_MARKUP = re.compile(r"([\\`*\[\]]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def as_markdown(page: Page) -> str:
    blocks = [f"# {_text(page.title)}", _begun(_text(page.eyebrow)), *(_block(each) for each in page.blocks)]
    return "\n\n".join(each for each in blocks if each) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            told = f"{'#' * block.level} {_text(block.text)}"
        case Paragraph():
            told = _begun(_line(block.line))
        case Attention():
            told = "\n".join(["> **Attention**", ">", *(f"> - {_begun(_line(each))}" for each in block.lines)])
            told = told if block.lines else ""
        case Commands():
            told = _fenced(block.lines)
        case Listing():
            begin = [f"{n}." if block.ordered else "-" for n in range(1, len(block.items) + 1)]
            told = "\n".join(f"{how} {_begun(_line(each))}" for how, each in zip(begin, block.items, strict=True))
        case Table():
            told = _table(block)
        case Tiles():
            told = "\n".join(f"- {_text(name)}: **{_text(value)}**; {_line(said)}" for name, value, said in block.tiles)
        case Picture():
            told = _fenced(tuple(block.text.splitlines())) if block.text else _begun(_text(block.alt))
        case _:
            assert_never(block)
    return told


def _fenced(lines: tuple[str, ...]) -> str:
    """A block of code: its fence is longer than any run of backticks within."""
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0))
    return "\n".join([fence, *(_flat(each) for each in lines), fence])


def _table(table: Table) -> str:
    ruler = "|" + "|".join("---:" if n in table.numbers else "---" for n in range(len(table.head))) + "|"
    rows = ["| " + " | ".join(_cell(each) or "-" for each in row) + " |" for row in table.rows]
    return "\n".join(["| " + " | ".join(_cell(each) for each in table.head) + " |", ruler, *rows])


def _cell(line: Line) -> str:
    return _line(line).replace("|", "\\|")


def _begun(text: str) -> str:
    """A line that would be a heading, a list, a quotation or a rule by how it begins, is none."""
    return re.sub(r"^(\s*)([#>+=-]|\d+[.)])", r"\1\\\2", text) if re.match(r"\s*([#>+=-]|\d+[.)]\s)", text) else text


def _line(line: Line) -> str:
    return "".join(_piece(each) for each in line) if isinstance(line, tuple) else _piece(line)


def _piece(piece: Piece) -> str:
    match piece:
        case str():
            return _text(piece)
        case Mono():
            return _code(piece.text)
        case Mark():
            return f"{'✓' if piece.good else '✕'} {_text(piece.text)}"
        case _:
            assert_never(piece)


def _code(text: str) -> str:
    """A code span: its fence is longer than any run of backticks within."""
    flat = _flat(text)
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", flat)), default=0))
    space = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{space}{flat}{space}{fence}"


def _text(text: str) -> str:
    return _MARKUP.sub(r"\\\1", _flat(text))


def _flat(text: str) -> str:
    """On one line, without characters that steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
