"""`drstack switchover` and `drstack failback`: move the work while both sites are well, and lose nothing."""

from __future__ import annotations

import json as json_
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from drstack.cli.operation import AcceptUnfenced
from drstack.cli.promote import PlanForm

if TYPE_CHECKING:
    from drstack.spec import Environment

_Environment = Annotated[str, typer.Argument(help="The environment's name.")]
_Workload = Annotated[
    list[str] | None, typer.Option("--workload", help="Move this workload alone, all else stays; may be repeated.")
]
_Plan = Annotated[bool, typer.Option("--plan", help="Print the plan with its hash and touch nothing.")]
_As = Annotated[PlanForm, typer.Option("--as", help="How --plan prints it.")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Why; recorded.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Implies no consent.")]
_NoReconcile = Annotated[bool, typer.Option("--no-reconcile", help="Leave Pulumi's part to a later `up`.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def switchover(
    environment: _Environment,
    to: Annotated[str, typer.Option("--to", help="The site that shall write.")],
    *,
    workload: _Workload = None,
    plan: _Plan = False,
    shown_as: _As = PlanForm.JSON,
    accept_unfenced: AcceptUnfenced = None,
    reason: _Reason = None,
    yes: _Yes = False,
    no_reconcile: _NoReconcile = False,
    json: _Json = False,
) -> None:
    """Move the work to a standby with no loss: stop it, ship its last checkpoint, go on there. Run it again at any time."""
    from drstack.assembly import load

    declared = load(environment)
    _move(
        declared, to, workload, accept_unfenced, plan, shown_as, reason, yes=yes, reconcile=not no_reconcile, json=json
    )


def failback(
    environment: _Environment,
    to: Annotated[
        str | None, typer.Option("--to", help="The site that was lost and is back; default: the primary.")
    ] = None,
    *,
    workload: _Workload = None,
    plan: _Plan = False,
    shown_as: _As = PlanForm.JSON,
    accept_unfenced: AcceptUnfenced = None,
    reason: _Reason = None,
    yes: _Yes = False,
    no_reconcile: _NoReconcile = False,
    json: _Json = False,
) -> None:
    """Bring the work home: what the site had written beyond the recovery point is void and listed, then a switchover."""
    from drstack.assembly import load

    declared = load(environment)
    home = to or declared.primary
    _move(
        declared,
        home,
        workload,
        accept_unfenced,
        plan,
        shown_as,
        reason,
        yes=yes,
        reconcile=not no_reconcile,
        json=json,
    )


def _move(
    declared: Environment, to: str, workload: list[str] | None, unfenced: list[str] | None, plan: bool,  # noqa: FBT001
    form: PlanForm, reason: str | None, *,
    yes: bool, reconcile: bool, json: bool,
) -> None:  # fmt: skip
    from drstack.assembly import assemble, local_root, project_root
    from drstack.cli.progress import Tree
    from drstack.cli.promote import operator, reconciler, shown, summary
    from drstack.recovery.conduct import plan_only, promote
    from drstack.recovery.plan import Given
    from replicator.heap import keep_freed_blocks

    name = declared.environment
    afterwards = reconciler(declared) if reconcile and not plan else None
    tree = Tree(f"switchover of {name} to {to}")
    world = assemble(declared, local_root(project_root()), to, progress=tree, reconcile=afterwards)
    given = Given(by=operator(), reason=reason, unfenced=tuple(unfenced or ()), only=tuple(workload or ()))
    if plan:
        told = plan_only(world, to, given, kind="switchover")
        sys.stdout.write(shown(world, told, form, indent=None if json else 2))
        return
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Stop {name} where it runs and go on at {to}?", abort=True, err=True)
    keep_freed_blocks()
    end = promote(world, to, given, kind="switchover")
    sys.stdout.write(json_.dumps(end) + "\n" if json else summary(end, to))
