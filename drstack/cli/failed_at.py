"""`--failed-at`: when the writer failed, as people and as logs write it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

OLDEST_DAYS = 30
_SKEW_S = 5
"""So far may a log's clock be ahead of this machine's."""
_EXPECTED = "a time with its zone such as 2026-11-22T03:12:00Z, or unix seconds"

FailedAt = Annotated[
    str | None,
    typer.Option(
        "--failed-at", metavar="TIME",
        help="When the writer failed: 2026-11-22T03:12:00Z, or unix seconds. Else what is lost is only known as a bound.",
    ),
]  # fmt: skip


def told(text: str | None) -> float | None:
    """Unix seconds; None where nothing was said. BadParameter."""
    if text is None:
        return None
    try:
        return moment(text, now=time.time())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--failed-at") from error


def moment(text: str, *, now: float) -> float:
    """Unix seconds. ValueError, saying what is expected: no time, one without a zone, in the future or too long ago."""
    at = _parsed(text.strip())
    if at > now + _SKEW_S:
        raise ValueError(f"{text} is {_spell(at)}, which is in the future: it is {_spell(now)} now, by this clock")
    if at < now - OLDEST_DAYS * 86_400:
        raise ValueError(f"{text} is {_spell(at)}, which is more than {OLDEST_DAYS} days ago: it is {_spell(now)} now")
    return min(at, now)


def _parsed(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if not 0 < seconds < datetime(9999, 1, 1, tzinfo=UTC).timestamp():
            raise ValueError(f"{text} is no time; expected {_EXPECTED}")
        return seconds
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time; expected {_EXPECTED}") from error
    if at.tzinfo is None:
        raise ValueError(f"{text} has no zone; expected {_EXPECTED} (for UTC, end it with Z)")
    return at.timestamp()


def _spell(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
