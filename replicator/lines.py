"""Log lines of verbs that seldom have one: structlog, a tenth of a second of imports, is loaded when the first is said.

What a verb wants done before that is kept here until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_waiting: list[Callable[[], None]] = []


def configure_later(configure: Callable[[], None]) -> None:
    """Before the first line. Of several the last counts."""
    _waiting[:] = [configure]


def ready() -> None:
    """Configure, if that still waits. Whoever is about to log, or to call what does, says so here first."""
    while _waiting:
        _waiting.pop()()


def warn(event: str, **values: object) -> None:
    """Say a warning as any other logger of the replicator."""
    ready()
    import structlog  # noqa: PLC0415 - loaded when something is said

    structlog.get_logger("replicator").warning(event, **values)
