"""`drstack check`: whether an environment file holds."""

from __future__ import annotations

import json as json_
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.spec import Fault


def check(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Read the environment file and tell every fault at once; exit code 21 if there is one."""
    import pathlib

    from drstack.reconcile.project import find_root
    from drstack.spec import EnvironmentInvalid, find_environment, load_environment

    file = find_environment(environment, find_root(pathlib.Path.cwd()))
    try:
        declared = load_environment(file, name=environment)
    except EnvironmentInvalid as error:
        if json:
            sys.stdout.write(_document(environment, file, error.faults))
        raise
    if json:
        sys.stdout.write(_document(environment, file, ()))
    else:
        sites, workloads = len(declared.sites), len(declared.workloads)
        plural = "" if workloads == 1 else "s"
        sys.stdout.write(f"{file}: no faults; {declared.strategy}, {sites} sites, {workloads} workload{plural}\n")


def _document(environment: str, file: Path, faults: tuple[Fault, ...]) -> str:
    from dataclasses import asdict

    document = {"environment": environment, "file": str(file), "faults": [asdict(fault) for fault in faults]}
    return json_.dumps(document) + "\n"
