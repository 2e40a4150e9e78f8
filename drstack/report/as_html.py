"""A page as one HTML file: style and pictures are in it, nothing is fetched. Pure. Every text is escaped here."""

from __future__ import annotations

from html import escape
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
from drstack.report.shell import FOOT, head


def as_html(page: Page) -> str:
    top = f'<header>\n<p class="eyebrow">{escape(page.eyebrow)}</p>\n<h1>{escape(page.title)}</h1>\n</header>\n'
    return head(page.title) + top + "".join(_block(each) for each in page.blocks) + FOOT


def _block(block: Block) -> str:
    match block:
        case Heading():
            new = ' class="sheet"' if block.new_page else ""
            told = f"<h{block.level}{new}>{escape(block.text)}</h{block.level}>"
        case Paragraph():
            told = f'<p class="note">{_line(block.line)}</p>' if block.soft else f"<p>{_line(block.line)}</p>"
        case Attention():
            told = _attention(block.lines)
        case Commands():
            told = f'<pre class="commands">{escape(chr(10).join(block.lines))}</pre>'
        case Listing():
            kind = "ol" if block.ordered else "ul"
            told = f"<{kind}>\n{_items(block.items)}</{kind}>"
        case Table():
            told = _table(block)
        case Tiles():
            told = '<dl class="tiles">\n' + "".join(_tile(*each) for each in block.tiles) + "</dl>"
        case Picture():
            told = f'<figure role="img" aria-label="{escape(block.alt)}">\n{block.svg}</figure>'
        case _:
            assert_never(block)
    return told + "\n" if told else ""


def _attention(lines: tuple[Line, ...]) -> str:
    if not lines:
        return ""
    return f'<section class="warnings">\n<strong>Attention</strong>\n<ul>\n{_items(lines)}</ul>\n</section>'


def _items(lines: tuple[Line, ...]) -> str:
    return "".join(f"<li>{_line(each)}</li>\n" for each in lines)


def _tile(name: str, value: str, said: Line) -> str:
    return f'<div class="tile"><dt>{escape(name)}</dt>\n<dd class="value">{escape(value)}</dd>\n<dd>{_line(said)}</dd></div>\n'


def _table(table: Table) -> str:
    def kind(column: int) -> str:
        return ' class="number"' if column in table.numbers else ""

    heads = "".join(f'<th scope="col"{kind(n)}>{escape(text)}</th>' for n, text in enumerate(table.head))
    rows = "".join(
        f'<tr><th scope="row">{_line(first)}</th>'
        + "".join(f"<td{kind(n)}>{_line(cell)}</td>" for n, cell in enumerate(rest, 1))
        + "</tr>\n"
        for first, *rest in table.rows
    )
    body = f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>"
    return f'<div class="wide" tabindex="0">\n<table>\n{body}\n</table>\n</div>'


def _line(line: Line) -> str:
    return "".join(_piece(each) for each in line) if isinstance(line, tuple) else _piece(line)


def _piece(piece: Piece) -> str:
    match piece:
        case str():
            return escape(piece)
        case Mono():
            return f"<code>{escape(piece.text)}</code>"
        case Mark():
            return f'<span class="{"good" if piece.good else "bad"}">{"✓" if piece.good else "✕"} {escape(piece.text)}</span>'
        case _:
            assert_never(piece)
