"""Next commands with the names that are known, in place of ENV and SITE. Pure.

Whoever makes a hint may not know the environment's name; whoever prints it does. Invariant: a share of requests (`SITE=100`) is
no site that anything is moved to, and a site that is not known stays SITE.
"""

from __future__ import annotations

import re

_ENV = re.compile(r"(?<![\w$-])ENV(?![\w=-])")


def in_place(text: str, environment: str | None, *, to: str | None = None, site: str | None = None) -> str:
    """`to`: the site that was to write, for `--to SITE`; `site`: what the command is about, for `--site SITE`."""
    if environment:
        text = _ENV.sub(lambda _: environment, text)
    for option, name in (("--to", to), ("--site", site or to)):
        if name:
            text = re.sub(rf"{option} SITE(?![\w=])", lambda _, o=option, n=name: f"{o} {n}", text)
    return text
