"""`drstack env`: the shell settings with which a bare `pulumi` works on an environment."""

from __future__ import annotations

import json as json_
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def env(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, in place of shell lines.")] = False,
) -> None:
    """Make the environment's stacks if need be, and print: eval "$(drstack env NAME)"."""
    from drstack.assembly import load, local_root, project_root
    from drstack.cli.keys import make_keys
    from drstack.extras import needed_by, require
    from drstack.reconcile.settings import dropped
    from drstack.reconcile.stacks import open_engine, prepare, stacks_of, usual

    declared, project = load(environment), project_root()
    require("pulumi", *needed_by(declared), what="drstack env")
    make_keys(declared, local_root(project))
    engine = open_engine(declared, project, local_root(project), inherited=os.environ, say=_say)
    stacks = stacks_of(declared)
    prepare(engine, declared, stacks)
    stack = usual(declared, engine.resources())
    values, unset = dict(engine.settings), list(dropped(engine.settings))
    if stack is None:
        unset.append("PULUMI_STACK")
        _say(f"choose a stack: pulumi up -s {stacks[1].name}")
    else:
        values["PULUMI_STACK"] = stack.name
    if json:
        document = {
            "environment": environment,
            "settings": values,
            "unset": unset,
            "stack": stack.name if stack else None,
            "stacks": [each.name for each in stacks],
        }
        sys.stdout.write(json_.dumps(document) + "\n")
    else:
        sys.stdout.write(shell_lines(values, unset, engine.path_folders))


def shell_lines(values: Mapping[str, str], unset: Sequence[str], before_path: Sequence[str]) -> str:
    """Lines for a POSIX shell; PATH is put before what the shell has, which need not be exported."""
    from shlex import quote

    lines = [f"unset {name}" for name in unset]
    lines += [f"export {name}={quote(value)}" for name, value in sorted(values.items()) if name != "PATH"]
    lines.append(f'export PATH={quote(os.pathsep.join(before_path))}"${{PATH:+:$PATH}}"')
    return "".join(f"{line}\n" for line in lines)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
