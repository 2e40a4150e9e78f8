"""The end of a program's log, for messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 2000


def tail(path: Path, lines: int = 5) -> str:
    """The last lines that are not empty, on one line."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return " | ".join([line.strip() for line in text.split("\n") if line.strip()][-lines:]) or f"{path} is empty"
