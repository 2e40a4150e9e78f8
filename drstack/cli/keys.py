"""`drstack keys …`: who may sign and decrypt in an environment."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drstack.custody.make import Made
    from drstack.spec import Environment

app = typer.Typer(help="Keys of an environment: who may sign, and who may decrypt.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The environment's name.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command()
def make(
    environment: Name,
    *,
    protect: Annotated[
        str | None,
        typer.Option("--protect", help="How recipients' keys lie: passphrase-file:FILE, aws-kms:ARN or gcp-kms:NAME."),
    ] = None,
    json: Json = False,
) -> None:
    """Make the environment's keys where there are none, and those of sites declared since. Again: makes nothing new."""
    from drstack.assembly import load, local_root, project_root
    from drstack.errors import DrstackError
    from replicator.cli.options import protection_of

    declared = load(environment)
    made = make_keys(declared, local_root(project_root()), protection_of(protect))
    if made is None:
        raise DrstackError(
            f"environment {environment} is neither encrypted nor signed: its file names no recipients",
            hint="Write encrypt_to: [recovery, escrow] under replication, before the environment is made.",
        )
    if json:
        document = {"environment": environment, "folder": str(made.folder), "made": list(made.names)}
        sys.stdout.write(json_.dumps(document) + "\n")
    elif not made.names:
        sys.stdout.write(f"the keys of {environment} are in {made.folder}; nothing was made\n")


@app.command()
def rotate(
    environment: Name,
    site: Annotated[str, typer.Argument(help="The site whose keys are replaced, because they may have been stolen.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded in the trust file and on the witness.")],
    *,
    json: Json = False,
) -> None:
    """Give a site new keys: by an assignment that lists the new and not the old, which are revoked then. Again: goes on."""
    from drstack.assembly import assemble, load, local_root, project_root
    from drstack.cli.progress import Tree
    from drstack.cli.promote import operator
    from drstack.custody.rotating import rotate_keys
    from drstack.recovery.conduct import promote
    from drstack.recovery.plan import Given

    declared, root = load(environment), local_root(project_root())

    def reopen(writer: str, keys_for: Callable[[str], tuple[str, ...]]) -> int:
        tree = Tree(f"new terms of what {writer} writes in {environment}")
        world = replace(assemble(declared, root, writer, progress=tree), keys_for=keys_for)
        return int(promote(world, writer, Given(by=operator(), reason=reason, reopen="keys"))["number"])

    done = rotate_keys(declared, root, site, reason, reopen)
    if json:
        sys.stdout.write(json_.dumps({"environment": environment, **asdict(done)}) + "\n")
        return
    lines = [
        f"{', '.join(done.new)} count since assignment {done.assignment}; revoked: {', '.join(done.revoked) or 'none'}"
    ]
    lines += [f"  LEFT: {each}" for each in done.left]
    if done.left:
        lines.append("  next: the same command, once that is within reach")
    sys.stdout.write("\n".join(lines) + "\n")


def make_keys(declared: Environment, root: Path, how: bytes | str | None = None) -> Made | None:
    """Have the keys, and say on stderr what was made and what to do with it; None where nothing is encrypted."""
    from drstack.assembly import open_witness
    from drstack.custody.make import ensure_keys, told
    from drstack.errors import WitnessUnreachable

    def stands() -> bool:
        try:
            return open_witness(declared, root).current() is not None
        except WitnessUnreachable:
            if declared.witness.startswith("file:"):  # its folder is made with the environment
                return False
            raise

    made = ensure_keys(declared, root, stands=stands, how=how)
    if made is None:
        sys.stderr.write(f"warning: {plain(declared.environment)}\n")
    elif made.names:
        sys.stderr.write("".join(f"{line}\n" for line in told(made)))
    return made


def plain(environment: str) -> str:
    """What is said wherever an environment without keys is worked on."""
    return (
        f"environment {environment} is NOT encrypted and NOT signed (crypto: none): whoever reaches a store reads its "
        "checkpoints, and whoever writes there can forge them"
    )
