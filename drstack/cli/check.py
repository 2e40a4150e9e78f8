"""`drstack check`: whether an environment file holds."""

from __future__ import annotations

import json as json_
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.spec import Environment, Fault


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
        _require_placed(declared, file)
    except EnvironmentInvalid as error:
        if json:
            sys.stdout.write(_document(environment, file, error.faults))
        raise
    warnings = _warnings(declared)
    if json:
        sys.stdout.write(_document(environment, file, (), warnings))
    else:
        sys.stderr.write("".join(f"warning: {each}\n" for each in warnings))
        sites, workloads = len(declared.sites), len(declared.workloads)
        plural = "" if workloads == 1 else "s"
        sys.stdout.write(f"{file}: no faults; {declared.strategy}, {sites} sites, {workloads} workload{plural}\n")


def _require_placed(declared: Environment, file: Path) -> None:
    """EnvironmentInvalid where a step of users' own cannot stand where it was put, in whatever operation may come."""
    from drstack.actions.declared import own_steps
    from drstack.assembly import needs
    from drstack.recovery.weave import misplaced
    from drstack.spec import EnvironmentInvalid, Fault
    from drstack.spec.source import read

    after = {name: need.after for name, need in needs(declared, None).items()}
    wrong = misplaced(own_steps(declared.steps), tuple(declared.sites), after)
    if wrong:
        source = read(file.read_bytes(), file.name)
        faults = (
            Fault(
                file.name, source.line(("steps", each.name)), f"steps.{each.name}", each.got, each.expected, each.remedy
            )
            for each in wrong
        )
        raise EnvironmentInvalid(file, tuple(sorted(faults, key=lambda fault: (fault.line, fault.field))))


def _warnings(declared: Environment) -> tuple[str, ...]:
    """What holds and is worth a second thought."""
    from drstack.cli.keys import plain

    told = declared.replication
    if told.encrypted:
        return ()
    remedy = "" if told.crypto == "none" else "; write encrypt_to: [recovery, escrow], or crypto: none if it is meant"
    return (plain(declared.environment) + remedy,)


def _document(environment: str, file: Path, faults: tuple[Fault, ...], warnings: tuple[str, ...] = ()) -> str:
    from dataclasses import asdict

    document = {
        "environment": environment, "file": str(file), "faults": [asdict(fault) for fault in faults],
        "warnings": list(warnings),
    }  # fmt: skip
    return json_.dumps(document) + "\n"
