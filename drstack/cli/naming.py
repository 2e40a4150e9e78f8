"""Next commands with the names that are known, in place of ENV and SITE."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from drstack.errors import DrstackError

if TYPE_CHECKING:
    from collections.abc import Generator

_SITE = re.compile(r"--to SITE(?![\w=])")


@contextmanager
def named(environment: str, site: str) -> Generator[None]:
    """Have the hint of an error that is raised within name this environment, and the site that was to write."""
    try:
        yield
    except DrstackError as error:
        if error.hint is not None:
            error.hint = _SITE.sub(f"--to {site}", re.sub(r"\bENV\b", environment, error.hint))
        raise
