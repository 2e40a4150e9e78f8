"""Errors leave a command with the names that it was given: what they say to type next can be typed as it is."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from drstack.errors import DrstackError
from drstack.naming import in_place
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextmanager
def named(environment: str | None, to: str | None = None, site: str | None = None) -> Generator[None]:
    """Have the hint of an error that is raised within name this environment, the site that was to write, and the other."""
    try:
        yield
    except (DrstackError, ReplicatorError) as error:
        if error.hint is not None:
            error.hint = in_place(error.hint, environment, to=to, site=site)
        raise


def naming(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, its errors named by its own arguments `environment`, `to` and `site`. A second time, nothing more."""

    @wraps(command)
    def called(*given: Any, **told: Any) -> Any:
        with named(_one(told, "environment"), _one(told, "to"), _one(told, "site")):
            return command(*given, **told)

    return command if hasattr(command, "__wrapped__") else called


def _one(told: dict[str, Any], name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) else None
