"""`drstack automatic`: what is done without a person, who sees what, and the hold that stops it at once."""

from __future__ import annotations

import json as json_
import sys
from typing import Annotated

import typer


def automatic(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    hold: Annotated[bool, typer.Option("--hold", help="Stop it at once, until released; needs --reason.")] = False,
    release: Annotated[bool, typer.Option("--release", help="Let it go on.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept on the witness.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show whether anything is done without a person, what each observer sees, and what holds it off.

    --hold also pauses an operation that an observer began: drstack resume carries it on, drstack abort ends it.
    """
    from drstack.assembly import automatic_policy, load, local_root, open_witness, project_root
    from drstack.automatic.records import Holds
    from drstack.automatic.told import describe, render, stop_running
    from drstack.cli.promote import operator
    from drstack.errors import ConsentRequired, OperationConflict

    declared = load(environment)
    witness = open_witness(declared, local_root(project_root()))
    if hold and release:
        raise OperationConflict("--hold and --release were both given")
    if hold and not reason:
        raise ConsentRequired("a hold needs a reason", hint="Add: --reason '…'")
    if hold:
        Holds(witness).hold(by=operator(), reason=str(reason))
        stop_running(witness, by=operator(), reason=str(reason))
    if release and not Holds(witness).release(by=operator()):
        raise OperationConflict(f"nothing holds off what is done without a person in {environment}")
    told = describe(witness, automatic_policy(declared))
    sys.stdout.write(json_.dumps(told) + "\n" if json else render(told))
