"""`drstack keys …`: who may sign and decrypt in an environment."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.custody.make import Made
    from drstack.spec import Environment
    from replicator.crypto.keyring import Keyring

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


@app.command()
def approver(
    environment: Name,
    person: Annotated[str, typer.Argument(help="Your name, as the environment file has it under approvals.")],
    *,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder for the private key; else people/NAME of the keys.")
    ] = None,
    protect: Annotated[
        str | None, typer.Option("--protect", help="How it lies: passphrase-file:FILE, aws-kms:ARN or gcp-kms:NAME.")
    ] = None,
    json: Json = False,
) -> None:
    """Make your own key for approvals, and the file by which others trust it. Again: makes nothing new."""
    from drstack.custody.people import make_person
    from replicator.cli.options import protection_of
    from replicator.crypto.sheet import fingerprint

    declared, ring = _ring_of(environment)
    _require_named(declared, person)
    made = make_person(ring, person, to=to, how=protection_of(protect))
    mark = fingerprint(made.key.public)
    if json:
        document = {
            "environment": environment, "person": person, "key": made.key.name, "file": str(made.file),
            "public": str(made.public), "fingerprint": mark, "made": made.made,
        }  # fmt: skip
        sys.stdout.write(json_.dumps(document) + "\n")
        return
    told = "made" if made.made else "there already"
    sys.stdout.write(
        f"{made.key.name} {told}: {made.file} is yours alone; fingerprint {mark}\n"
        f"for every operator: {made.public}\n"
        f"  next: give it to them; each runs drstack keys trust {environment} FILE, and compares the fingerprint with what "
        "you tell them\n"
    )


@app.command()
def trust(
    environment: Name,
    file: Annotated[Path, typer.Argument(help="The public half that a person sent: approver@NAME.public.json.")],
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether the fingerprint is the one they told you.")
    ] = False,
    json: Json = False,
) -> None:
    """Have a person's approvals count on this machine, once you compared the fingerprint with what they told you."""
    from drstack.custody.people import read_public, trust_person
    from drstack.spec.keys import person_of
    from replicator.crypto.sheet import fingerprint

    declared, ring = _ring_of(environment)
    key = read_public(file)
    _require_named(declared, person_of(key.name) or "")
    mark = fingerprint(key.public)
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Is {mark} the fingerprint that {person_of(key.name)} told you?", abort=True, err=True)
    added = trust_person(ring, key)
    document = {"environment": environment, "key": key.name, "fingerprint": mark, "added": added}
    shown = f"{key.name} ({mark}) {'counts from now on' if added else 'was trusted already'}\n"
    sys.stdout.write(json_.dumps(document) + "\n" if json else shown)


def _ring_of(environment: str) -> tuple[Environment, Keyring]:
    from drstack.assembly import load, local_root, project_root
    from drstack.custody.ring import open_keys
    from drstack.errors import DrstackError

    declared = load(environment)
    ring = open_keys(declared, local_root(project_root()))
    if ring is None:
        raise DrstackError(f"environment {environment} has no keys (crypto: none)", hint=f"drstack check {environment}")
    return declared, ring


def _require_named(declared: Environment, person: str) -> None:
    """EnvironmentUnknown, before a key is made for a name with a slip in it."""
    from drstack.errors import EnvironmentUnknown

    people = declared.approvals.people()
    if person not in people:
        raise EnvironmentUnknown(
            f"{declared.environment} asks no {person!r} for approvals",
            hint=f"Under approvals it names: {', '.join(people)}."
            if people
            else "Name them in its file first: approvals: {promote: {of: [NAME, …]}}",
        )


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
