"""`drstack approve`: one person's signed word for a plan, or for an operation that went on without."""

from __future__ import annotations

import json as json_
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.approving import Asked
    from drstack.recovery.world import World
    from drstack.spec import Environment

PersonKey = Annotated[
    Path | None, typer.Option("--key", help="The file or folder of that person's key, if it is not in people/NAME.")
]


def approve(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    hash_: Annotated[str | None, typer.Option("--hash", help="The plan that waits, by its hash.")] = None,
    plan_file: Annotated[Path | None, typer.Option("--plan-file", help="The plan, as `--plan` printed it.")] = None,
    after_the_fact: Annotated[
        str | None,
        typer.Option("--after-the-fact", metavar="OPERATION", help="Sign off what went on without approvals."),
    ] = None,
    person: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who you are; you sign with your key.")
    ] = None,
    key: PersonKey = None,
    listed: Annotated[bool, typer.Option("--list", help="Show what waits, and whose word counts or why not.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show the plan that waits and sign it. Nothing is carried out: whoever runs the operation runs it again."""
    from drstack.assembly import load
    from drstack.recovery.approving import approve as sign
    from drstack.recovery.approving import named
    from drstack.recovery.glass import sign_off
    from drstack.report.plan import tree

    chosen = [each for each in (hash_, plan_file, after_the_fact) if each is not None]
    if len(chosen) + listed != 1:
        raise typer.BadParameter("say one of --hash, --plan-file, --after-the-fact or --list")
    declared = load(environment)
    world = world_of(declared, person, key)
    if listed:
        _tell(listing(world), json=json)
        return
    if person is None:
        raise typer.BadParameter("say who you are: --as NAME")
    if after_the_fact is not None:
        _confirm(f"Sign operation {after_the_fact} of {environment} off as {person}?", yes=yes)
        _tell(sign_off(world, after_the_fact, person), json=json)
        return
    asked = named(world, hash_) if hash_ is not None else _from_file(world, plan_file or Path())
    sys.stderr.write(tree(asked.plan))
    _confirm(f"Approve this {asked.kind} of {environment} (plan {asked.digest[:16]}) as {person}?", yes=yes)
    _tell(sign(world, asked, person).document(), json=json)


def world_of(declared: Environment, person: str | None, key: Path | None, target: str | None = None) -> World:
    """The world of somebody who only signs."""
    from drstack.assembly import assemble, local_root, project_root

    root = local_root(project_root())
    return assemble(declared, root, target, progress=_Silent(), holding=holding(declared, root, person, key))


def holding(declared: Environment, root: Path, person: str | None, key: Path | None) -> Sequence[Path]:
    """Folders in which this person's key may lie."""
    from drstack.custody.people import folders_of
    from drstack.spec.keys import keys_folder

    return folders_of(keys_folder(declared, root), person, key)


def _from_file(world: World, path: Path) -> Asked:
    """The request for the plan of a file, made if there is none. PlanStale where it is no plan of this environment."""
    from drstack.errors import PlanStale
    from drstack.recovery.approving import ask

    try:
        plan: dict[str, Any] = json_.loads(path.read_text())
        if plan["environment"] != world.environment:
            raise PlanStale(f"{path} is a plan for {plan['environment']}")
        return ask(world, plan, str(plan["kind"]), "a plan file")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlanStale(f"{path} is no plan ({error})") from error


def listing(world: World) -> dict[str, Any]:
    """What waits for approval now, and what went on without."""
    from drstack.recovery.approving import requests
    from drstack.recovery.glass import broken

    current = world.witness.current()
    every = requests(world, current.number) if current is not None else []
    return {
        "environment": world.environment, "waiting": [each.document() for each in every], "break_glass": broken(world),
    }  # fmt: skip


def _confirm(question: str, *, yes: bool) -> None:
    if not yes and sys.stdin.isatty():
        typer.confirm(question, abort=True, err=True)


def _tell(document: dict[str, Any], *, json: bool) -> None:
    sys.stdout.write(json_.dumps(document) + "\n" if json else rendered(document))


def rendered(document: dict[str, Any]) -> str:
    """For people: a listing, one request, or one operation that was signed off."""
    if "waiting" in document:
        lines = [line for each in document["waiting"] for line in _request(each)] or ["Nothing waits for approval."]
        return "\n".join([*lines, *(broken_line(each) for each in document["break_glass"])]) + "\n"
    return "\n".join(_request(document) if "approvals" in document else [broken_line(document)]) + "\n"


def _request(each: dict[str, Any]) -> list[str]:
    state = "enough" if each["enough"] else f"still asked: {', '.join(each['asked'])}"
    lines = [
        (
            f"{each['hash']}  {each['kind']} to {each['target']}, asked by {each['by']}: "
            f"{len(each['given'])} of {each['at_least']} approvals; {state}"
        )
    ]
    for word in each["approvals"]:
        when = f", given {_clock(word['at'])}, until {_clock(word['expires_at'])}" if word["at"] is not None else ""
        lines.append(f"  {word['person']}: {'counts' if word['counts'] else 'does NOT count: ' + word['why']}{when}")
    return lines


def broken_line(each: dict[str, Any]) -> str:
    """One operation that went on without approvals, and who signed it off."""
    done = each["signed_off"]
    state = f"signed off by {done['by']} at {_clock(done['at'])}" if done else "NOT SIGNED OFF"
    return (
        f"Operation {each['operation']} ({each['kind']} to {each['target']}) went on WITHOUT APPROVALS by {each['by']} "
        f"at {_clock(each['at'])}: {each['reason']}; {state}"
    )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class _Silent:
    def begin(self, step: str) -> None:
        del step

    def end(self, step: str, seconds: float, detail: str) -> None:
        del step, seconds, detail
