"""An application out of its verbs: where one is named, its module is imported and no other, so that it starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Verb:
    """`where`: MODULE:NAME of a function or an application; `nested`: of what makes one of the arguments behind the verb."""

    name: str
    where: str
    panel: str | None = None
    nested: bool = False


def application(
    about: str,
    verbs: Sequence[Verb],
    arguments: Sequence[str] = (),
    around: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda command: command,
) -> typer.Typer:
    """All verbs, or the one that `arguments` begin with. `around`: what every command is called by."""
    app = typer.Typer(help=about, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    named = [verb for verb in verbs if verb.name == next(iter(arguments), None)]
    for verb in named or verbs:
        module, _, attribute = verb.where.partition(":")
        found = getattr(import_module(module), attribute)
        if verb.nested:
            found = found(arguments[1:] if named else ())
        if isinstance(found, typer.Typer):
            for command in found.registered_commands:
                command.callback = around(command.callback) if command.callback is not None else None
            app.add_typer(found, name=verb.name, rich_help_panel=verb.panel)
        else:
            app.command(verb.name, rich_help_panel=verb.panel)(around(found))
    return app
