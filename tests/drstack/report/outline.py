"""What an HTML page holds: its elements and its text. Fails on tags that do not nest."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Outline(HTMLParser):
    """Elements seen with their attributes, and the text; fails on tags that do not nest."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.open, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


def fetches_nothing(text):
    """Whether a page is one file: no address, no script, nothing that a style would fetch."""
    told = Outline(text)
    calls = {"src", "href", "srcset", "data", "action"}
    addresses = [value for _, attrs in told.seen for name, value in attrs.items() if name in calls]
    return (
        not addresses and "script" not in {tag for tag, _ in told.seen} and not re.search(r"url\((?!#)|@import", text)
    )
