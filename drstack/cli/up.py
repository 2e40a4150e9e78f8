"""`drstack up`: bring an environment's infrastructure to what its file says."""

from __future__ import annotations

import json as json_
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from drstack.reconcile.update import Updated
    from drstack.spec import Environment


def up(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    site: Annotated[str | None, typer.Option("--site", help="Only this site's stack.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Look at what exists before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Implies no consent.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Repair what a killed update left, then create and update what the environment file says."""
    from drstack.assembly import load, local_root, project_root
    from drstack.cli.keys import make_keys
    from drstack.extras import needed_by, require
    from drstack.reconcile.stacks import choose, open_engine, prepare
    from drstack.reconcile.update import bring_up

    declared, project = load(environment), project_root()
    require("pulumi", *needed_by(declared), what="drstack up")
    make_keys(declared, local_root(project))
    engine = open_engine(declared, project, local_root(project), inherited=os.environ, say=_say)
    stacks = choose(declared, site, engine.resources())
    _tell_of_lost_state(declared, local_root(project), prepare(engine, declared, stacks))
    if not yes and sys.stdin.isatty():
        names = ", ".join(stack.name for stack in stacks)
        typer.confirm(
            f"Bring up {names}? (pulumi preview -s {stacks[0].name} shows what would change)", abort=True, err=True
        )
    done: list[Updated] = []
    for stack in stacks:
        sys.stderr.write(f"{stack.name}\n")
        done.append(bring_up(engine, stack.name, refresh=refresh))
        _say(summary(done[-1].outcome.changes, done[-1].outcome.duration_s))
    if json:
        sys.stdout.write(json_.dumps({"environment": environment, "stacks": [_document(each) for each in done]}) + "\n")


def _tell_of_lost_state(declared: Environment, root: Path, made: Sequence[str]) -> None:
    """A stack that had to be made, of a site that was brought up before: its state was lost, or lies elsewhere."""
    from drstack.assembly import open_witness
    from drstack.errors import WitnessUnreachable

    witness = open_witness(declared, root)
    try:
        known = [name for name in made if witness.descriptor(name.rpartition(".")[2]) is not None]
    except WitnessUnreachable:
        return  # the update itself tells
    if known:
        _say(
            f"the state backend knew no stack {', '.join(known)}, and the witness knows their sites: what exists is taken up "
            "as it is. If the state lies elsewhere, stop here and bring it back"
        )


def summary(changes: Mapping[str, int], duration_s: float) -> str:
    """`2 create, 1 same in 3.2 s`."""
    told = ", ".join(f"{count} {what}" for what, count in sorted(changes.items()))
    return f"{told or 'nothing'} in {duration_s:.1f} s"


def _document(updated: Updated) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(updated.outcome), "repaired": asdict(updated.mended)}


def _say(text: str) -> None:
    """One line below the stack's name; further lines of a text are set under it."""
    body = text.replace("\n", "\n│     ")
    sys.stderr.write(f"├── {body}\n")
    sys.stderr.flush()
