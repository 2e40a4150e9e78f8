"""What every page of drstack begins with: its head, with the style in it, and nothing from outside."""

from __future__ import annotations

from html import escape
from importlib import resources


def head(title: str) -> str:
    """From the doctype to `<main>`."""
    style = (resources.files("drstack.report") / "page.css").read_text()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
    )


FOOT = "</main>\n</body>\n</html>\n"
"""What every page ends with."""
