"""`drstack resume`, `pause`, `skip` and `abort`: what an operator may do to an operation that runs."""

from __future__ import annotations

import json as json_
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.recovery.world import World
    from drstack.spec import Environment
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

AcceptUnfenced = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-unfenced",
        metavar="STEP",
        help="Let this step promote its database without proof that no other takes writes; needs --reason.",
    ),
]
_Environment = Annotated[str, typer.Argument(help="The environment's name.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why; recorded in the operation's journal.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def resume(
    environment: _Environment,
    *,
    accept_unfenced: AcceptUnfenced = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; recorded with a consent.")] = None,
    no_reconcile: Annotated[bool, typer.Option("--no-reconcile", help="Leave Pulumi's part to a later `up`.")] = False,
    json: _Json = False,
) -> None:
    """Take up the operation that has not ended, whoever began it and wherever; a paused one goes on."""
    from drstack.assembly import load
    from drstack.cli.promote import operator, reconciler, summary
    from drstack.recovery.control import resume as carry_on
    from drstack.recovery.control import running
    from replicator.heap import keep_freed_blocks

    declared = load(environment)
    world, target = _world(declared, None if no_reconcile else reconciler(declared), running)
    keep_freed_blocks()
    end = carry_on(world, by=operator(), unfenced=tuple(accept_unfenced or ()), reason=reason)
    sys.stdout.write(json_.dumps(end) + "\n" if json else summary(end, target))


def pause(environment: _Environment, *, reason: _Reason, json: _Json = False) -> None:
    """Have nobody begin another step of the operation that runs; what has begun is finished."""
    from drstack.assembly import load, local_root, open_witness, project_root
    from drstack.cli.promote import operator
    from drstack.recovery.control import pause as put_off

    witness = open_witness(load(environment), local_root(project_root()))
    tell(put_off(witness, by=operator(), reason=reason), "is paused", json=json)


def skip(
    environment: _Environment,
    step: Annotated[list[str], typer.Argument(help="The step, as `drstack status` names it: prove gpt.")],
    *,
    reason: _Reason,
    json: _Json = False,
) -> None:
    """Leave a step out of the operation that runs, where what comes after it can do without."""
    from drstack.assembly import load, local_root, open_witness, project_root
    from drstack.cli.promote import operator
    from drstack.recovery.control import skip as leave_out

    witness = open_witness(load(environment), local_root(project_root()))
    name = " ".join(step)
    journal = leave_out(witness, name, by=operator(), reason=reason, at=time.time())
    tell(journal, f"goes on without {name}", json=json)


def abort(environment: _Environment, *, reason: _Reason, json: _Json = False) -> None:
    """End the operation that runs where it is, and say what stands; a sealed workload's writer may write again."""
    from drstack.assembly import load
    from drstack.cli.promote import operator
    from drstack.recovery.control import abort as end
    from drstack.recovery.control import to_abort

    world, _ = _world(load(environment), None, to_abort)
    told = end(world, by=operator(), reason=reason)
    if json:
        sys.stdout.write(json_.dumps(told) + "\n")
        return
    lines = [f"Operation {told['operation']} has ended: {told['result']}."]
    lines += [f"  {name}: {writer} writes" for name, writer in told["writers"].items()]
    lines += [f"  next: {each}" for each in told["next"]]
    sys.stdout.write("\n".join(lines) + "\n")


def _world(declared: Environment, reconcile: Any, which: Callable[[Witness], Journal]) -> tuple[World, str]:
    """The world of an operation, and its target."""
    from drstack.assembly import assemble, local_root, open_witness, project_root
    from drstack.cli.progress import Tree

    root = local_root(project_root())
    journal = which(open_witness(declared, root))
    target = str((journal.plan() or {}).get("target"))
    title = f"operation {journal.identity}: {declared.environment} to {target}"
    return assemble(declared, root, target, progress=Tree(title), reconcile=reconcile), target


def tell(journal: Journal, what: str, *, json: bool) -> None:
    from drstack.recovery.control import describe

    document = describe(journal)
    left = len(document["waiting"]) + len(document["begun"]) + len(document["failed"])
    shown = f"Operation {journal.identity} {what}; {len(document['done'])} steps are done, {left} are left.\n"
    sys.stdout.write(json_.dumps(document) + "\n" if json else shown)
