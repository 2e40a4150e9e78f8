"""Where a document of a command goes: stdout, or a file that is whole or as it was."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from drstack.errors import DrstackError

if TYPE_CHECKING:
    from pathlib import Path

_FORMS = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json", ".txt": "text"}


def suffix_form(out: Path | None) -> str | None:
    """The form that a file's ending names; None where it names none."""
    return None if out is None else _FORMS.get(out.suffix.lower())


def put(text: str, out: Path | None) -> None:
    """DrstackError where the file cannot be written."""
    if out is None:
        sys.stdout.write(text)
        return
    staged = out.with_name(f".{out.name}.{os.getpid()}.new")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(out)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise DrstackError(f"{out} cannot be written: {error}", hint="Name a file in a folder that exists.") from error
