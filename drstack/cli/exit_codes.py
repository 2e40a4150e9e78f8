"""`drstack exit-codes`: what each exit code means, read from the error classes themselves."""

from __future__ import annotations

import json as json_
import sys
from typing import Annotated

import typer


def exit_codes(*, json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False) -> None:
    """List every exit code of drstack and replicator."""
    codes = table()
    if json:
        sys.stdout.write(json_.dumps({str(code): names for code, names in codes.items()}) + "\n")
        return
    for code, names in codes.items():
        sys.stdout.write(f"{code:>3}  {', '.join(names)}\n")


_DEFINED_ELSEWHERE = (
    "drstack.spec.faults",
    "drstack.spec.urls",
    "drstack.platforms.local.ownership",
    "drstack.project.answers",
    "drstack.project.place",
    "replicator.formats.errors",
    "replicator.train.notices.http",
)
"""Modules, besides the two `errors`, that define errors of these trees."""


def table() -> dict[int, list[str]]:
    """Exit code to the names of the errors that end with it."""
    from importlib import import_module

    from drstack.errors import DrstackError
    from replicator.errors import ReplicatorError

    for module in _DEFINED_ELSEWHERE:
        import_module(module)
    codes: dict[int, list[str]] = {0: ["done, or nothing to do"], 1: ["anything unforeseen"], 2: ["wrong usage"]}
    pending: list[type[DrstackError | ReplicatorError]] = [DrstackError, ReplicatorError]
    while pending:
        each = pending.pop(0)
        if each.__module__.split(".")[0] in ("drstack", "replicator"):
            codes.setdefault(each.exit_code, []).append(each.__name__)
        pending.extend(each.__subclasses__())
    return dict(sorted(codes.items()))
