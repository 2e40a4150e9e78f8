"""`drstack confirm`: a person's word on a step: it is done, or it did not happen and may be done again."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer


def confirm(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    step: Annotated[list[str], typer.Argument(help="The step, as `drstack status` names it: step call-dc.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="How you know; recorded in the operation's journal.")],
    again: Annotated[
        bool, typer.Option("--again", help="It did not happen: have it done again, where nobody knew.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Say that a step is done that waits for a person, or of which nobody knows whether it happened."""
    from drstack.assembly import load, local_root, open_witness, project_root
    from drstack.cli.operation import tell
    from drstack.cli.promote import operator
    from drstack.recovery.word import confirm as give_word

    witness = open_witness(load(environment), local_root(project_root()))
    name = " ".join(step)
    journal = give_word(witness, name, by=operator(), reason=reason, at=time.time(), again=again)
    if json or not again:
        tell(journal, f"has {name} as done", json=json)
    else:
        sys.stdout.write(f"{name} will be done again: drstack resume {environment}\n")
