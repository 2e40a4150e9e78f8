"""A page becomes HTML or Markdown, and a text in it never becomes markup."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from drstack.report.as_html import as_html
from drstack.report.as_markdown import as_markdown
from drstack.report.blocks import (
    Attention,
    Commands,
    Heading,
    Listing,
    Mark,
    Mono,
    Page,
    Paragraph,
    Picture,
    Table,
    Tiles,
)
from tests.drstack.report.outline import Outline, fetches_nothing

HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=y>&amp;{{ 7*7 }} `a` ``` | # [b](javascript:c) \\ *d*\n# e"


def every_block(text):
    return (
        Heading(text), Heading(text, 3, new_page=True), Paragraph(text), Attention((text, Mono(text))), Commands((text,)),
        Paragraph((text, Mono(text), Mark(text, good=False)), soft=True), Listing((text, Mono(text))),
        Listing((text,), ordered=True), Table((text, text), ((text, Mono(text)), (Mark(text, good=True), text)), (1,)),
        Tiles(((text, text, text),)), Picture("<svg><text>drawn</text></svg>\n", text, text),
    )  # fmt: skip


def test_hostile_texts_stay_text_in_html():
    plain = Outline(as_html(Page("t", "e", every_block("x"))))
    text = as_html(Page(HOSTILE, HOSTILE, every_block(HOSTILE)))
    told = Outline(text)
    assert {tag for tag, _ in told.seen} == {tag for tag, _ in plain.seen}
    assert not [attrs for _, attrs in told.seen if "onerror" in attrs]
    assert fetches_nothing(text)
    assert "".join(told.words).count(HOSTILE) > 15


def parsed(text):
    """What a CommonMark parser with tables makes of it: the kinds of tokens, and the text."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = [t.type for token in tokens for t in [token, *(token.children or ())] if t.type != "text_special"]
    words = "".join(t.content for token in tokens for t in token.children or ())
    return [kind for kind in kinds if kind != "text"], words


def test_hostile_texts_open_nothing_in_markdown():
    plain, _ = parsed(as_markdown(Page("t", "e", every_block("x"))))
    kinds, words = parsed(as_markdown(Page(HOSTILE, HOSTILE, every_block(HOSTILE))))
    assert kinds == plain
    assert words.count("<script>alert('x')</script>\"'><img src=x onerror=y>") > 15


def test_the_same_in_both_forms():
    table = Table(("n", "of"), (("1", Mark("met", good=True)),), (0,))
    blocks = (
        Heading("One"), Paragraph(("say ", Mono("a | b"), ".")), Attention(()), Commands(("x y",)),
        Listing(("p", "q"), ordered=True), table, Picture("<svg></svg>\n", "a line"),
    )  # fmt: skip
    page = Page("A day in May", "Report", blocks)
    said = ["# A day in May", "Report", "## One", "say `a | b`.", "```\nx y\n```", "1. p\n2. q"]
    assert as_markdown(page) == "\n\n".join([*said, "| n | of |\n|---:|---|\n| 1 | ✓ met |", "a line\n"])
    told = Outline(as_html(page))
    assert [tag for tag, _ in told.seen if tag in ("h1", "h2", "ol", "pre", "table", "svg", "code")] == [
        "h1", "h2", "code", "pre", "ol", "table", "svg",
    ]  # fmt: skip
    assert "Attention" not in told.text


@pytest.mark.parametrize("text", ["# not a heading", "- no item", "1. none", "> no quotation", "+ none", "==="])
def test_a_paragraph_is_never_taken_for_something_else(text):
    last = as_markdown(Page("t", "e", (Paragraph(text),))).splitlines()[-1]
    assert last.lstrip().startswith("\\") or last.startswith("1\\.")


def test_a_command_with_backticks_stays_in_its_block():
    text = as_markdown(Page("t", "e", (Commands(("a ``` b",)), Paragraph(Mono("`x`")))))
    assert "````\na ``` b\n````" in text
    assert "`` `x` ``" in text
