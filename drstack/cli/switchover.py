"""`drstack switchover` and `drstack failback`: move the work while both sites are well, and lose nothing."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drstack.cli.approve import PersonKey
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
_BreakGlass = Annotated[
    str | None,
    typer.Option("--break-glass", metavar="NAME", help="Go on without approvals, as NAME, who may; needs --reason."),
]
_Wait = Annotated[
    bool, typer.Option("--wait-for-approvals", help="Ask for approvals, and go on once there are enough.")
]
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
    break_glass: _BreakGlass = None,
    key: PersonKey = None,
    wait_for_approvals: _Wait = False,
    yes: _Yes = False,
    no_reconcile: _NoReconcile = False,
    json: _Json = False,
) -> None:
    """Move the work to a standby with no loss: stop it, ship its last checkpoint, go on there. Run it again at any time."""
    from drstack.assembly import load

    asked = _Asked(
        to,
        tuple(workload or ()),
        reason,
        break_glass,
        key,
        unfenced=tuple(accept_unfenced or ()),
        wait=wait_for_approvals,
        typed="switchover",
    )
    _move(load(environment), asked, shown_as, plan=plan, yes=yes, reconcile=not no_reconcile, json=json)


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
    break_glass: _BreakGlass = None,
    key: PersonKey = None,
    wait_for_approvals: _Wait = False,
    yes: _Yes = False,
    no_reconcile: _NoReconcile = False,
    json: _Json = False,
) -> None:
    """Bring the work home: what the site had written beyond the recovery point is void and listed, then a switchover."""
    from drstack.assembly import load

    declared = load(environment)
    home = to or declared.primary
    asked = _Asked(
        home,
        tuple(workload or ()),
        reason,
        break_glass,
        key,
        unfenced=tuple(accept_unfenced or ()),
        wait=wait_for_approvals,
        typed="failback",
    )
    _move(declared, asked, shown_as, plan=plan, yes=yes, reconcile=not no_reconcile, json=json)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an operator asks for."""

    to: str
    only: tuple[str, ...]
    reason: str | None
    break_glass: str | None
    key: Path | None
    unfenced: tuple[str, ...]
    wait: bool
    typed: str


def _move(
    declared: Environment, asked: _Asked, form: PlanForm, *, plan: bool, yes: bool, reconcile: bool, json: bool
) -> None:
    from drstack.assembly import assemble, local_root, project_root
    from drstack.cli.approve import holding
    from drstack.cli.progress import Tree
    from drstack.cli.promote import carried_out, operator, reconciler, show, summary
    from drstack.recovery.plan import Given
    from drstack.recovery.preview import preview
    from replicator.heap import keep_freed_blocks

    name, to, root = declared.environment, asked.to, local_root(project_root())
    afterwards = reconciler(declared) if reconcile and not plan else None
    world = assemble(
        declared, root, to, progress=Tree(f"{asked.typed} of {name} to {to}"), reconcile=afterwards,
        holding=holding(declared, root, asked.break_glass, asked.key),
    )  # fmt: skip
    given = Given(
        by=operator(),
        reason=asked.reason,
        only=asked.only,
        unfenced=asked.unfenced,
        break_glass=asked.break_glass,
        typed=asked.typed,
    )
    if plan:
        show(world, preview(world, to, given, kind="switchover"), form, indent=None if json else 2)
        return
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Stop {name} where it runs and go on at {to}?", abort=True, err=True)
    keep_freed_blocks()
    end = carried_out(world, to, given, wait=asked.wait, kind="switchover")
    sys.stdout.write(json_.dumps(end) + "\n" if json else summary(end, to))
