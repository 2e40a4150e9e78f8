"""`drstack promote`: make another site the writer, because the one that wrote is lost."""

from __future__ import annotations

import json as json_
import os
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drstack.cli.approve import PersonKey
from drstack.cli.failed_at import FailedAt, told
from drstack.cli.operation import AcceptUnfenced

if TYPE_CHECKING:
    from drstack.errors import DrstackError
    from drstack.reconcile.after import Reconciler
    from drstack.recovery.conduct import Kind
    from drstack.recovery.plan import Given, Plan
    from drstack.recovery.world import World
    from drstack.spec import Environment
    from drstack.unwitnessed import Unwitnessed


class PlanForm(StrEnum):
    JSON = "json"
    TREE = "tree"
    MARKDOWN = "markdown"
    SVG = "svg"


def promote(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    to: Annotated[str, typer.Option("--to", help="The site that shall write.")],
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan with its hash and touch nothing.")] = False,
    shown_as: Annotated[
        PlanForm, typer.Option("--as", help="How --plan prints it; json is what --plan-file takes.")
    ] = PlanForm.JSON,
    plan_file: Annotated[
        Path | None, typer.Option("--plan-file", help="Carry out this plan; refuse if the facts have left it.")
    ] = None,
    accept_data_loss: Annotated[
        str | None, typer.Option("--accept-data-loss", metavar="DURATION", help="Allow this loss, or `unknown`.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; recorded with every consent.")] = None,
    failed_at: FailedAt = None,
    abandon: Annotated[
        str | None,
        typer.Option("--abandon", metavar="OPERATION", help="End this unfinished operation; needs --reason."),
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="Take the newest recovery point, though an older one is proved.")
    ] = False,
    accept_failed_proof: Annotated[
        bool,
        typer.Option("--accept-failed-proof", help="Allow a checkpoint whose proof failed; needs --reason."),
    ] = False,
    accept_unfenced: AcceptUnfenced = None,
    workload: Annotated[
        list[str] | None,
        typer.Option("--workload", help="Move this workload alone, all else stays; may be repeated."),
    ] = None,
    skip_fence: Annotated[
        list[str] | None,
        typer.Option("--skip-fence", metavar="SITE", help="Do not try to stop this site; needs --reason."),
    ] = None,
    break_glass: Annotated[
        str | None,
        typer.Option(
            "--break-glass", metavar="NAME", help="Go on without approvals, as NAME, who may; needs --reason."
        ),
    ] = None,
    key: PersonKey = None,
    wait_for_approvals: Annotated[
        bool, typer.Option("--wait-for-approvals", help="Ask for approvals, and go on once there are enough.")
    ] = False,
    without_witness: Annotated[
        bool,
        typer.Option("--without-witness", help="Go on while the witness is away, by proven fences; needs --reason."),
    ] = False,
    kit: Annotated[
        Path | None,
        typer.Option("--kit", metavar="PATH", help="With --without-witness, on a machine that never saw the witness."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Implies no consent.")] = False,
    no_reconcile: Annotated[bool, typer.Option("--no-reconcile", help="Leave Pulumi's part to a later `up`.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Bring the work back at another site. Run it again at any time: it takes up what is unfinished."""
    from drstack.assembly import assemble, load, local_root, project_root
    from drstack.cli.approve import holding
    from drstack.cli.progress import Tree
    from drstack.recovery.preview import preview, question
    from replicator.heap import keep_freed_blocks

    failed = told(failed_at)
    declared = load(environment)
    root = local_root(project_root())
    reconcile = None if no_reconcile or plan or without_witness else reconciler(declared)
    world = assemble(
        declared, root, to, progress=Tree(f"promote {environment} to {to}"), reconcile=reconcile,
        holding=holding(declared, root, break_glass, key),
        without=_unwitnessed(kit, reason, touch=not plan) if _asked(kit, without=without_witness) else None,
    )  # fmt: skip
    given = replace(
        _given(reason, accept_data_loss, failed), abandon=abandon, newest=newest,
        failed_proof=accept_failed_proof, unfenced=tuple(accept_unfenced or ()), only=tuple(workload or ()),
        skip_fence=tuple(skip_fence or ()), break_glass=break_glass, without_witness=without_witness,
    )  # fmt: skip
    if plan:
        show(world, preview(world, to, given), shown_as, indent=None if json else 2)
        return
    if not yes and sys.stdin.isatty():
        typer.confirm(question(world, to, given), abort=True, err=True)
    keep_freed_blocks()
    agreed: dict[str, Any] | None = json_.loads(plan_file.read_text()) if plan_file else None
    end = carried_out(world, to, given, agreed=agreed, wait=wait_for_approvals)
    sys.stdout.write(json_.dumps(end) + "\n" if json else summary(end, to))


def _asked(kit: Path | None, *, without: bool) -> bool:
    if kit is not None and not without:
        raise typer.BadParameter("--kit is for --without-witness")
    return without


def _unwitnessed(kit: Path | None, reason: str | None, *, touch: bool) -> Unwitnessed:
    from drstack.kit.shelf import newest
    from drstack.recovery.unwitnessed import require_reason
    from drstack.unwitnessed import Unwitnessed

    require_reason(reason)
    return Unwitnessed(newest(kit.absolute()) / "witness" if kit is not None else None, touch=touch)


def carried_out(
    world: World, to: str, given: Given, *, agreed: dict[str, Any] | None = None, wait: bool, kind: Kind = "promote"
) -> dict[str, Any]:
    """The operation's end. With `wait`, approvals that lack are waited for, as long as the plan stands."""
    from drstack.errors import ApprovalsMissing
    from drstack.naming import in_place
    from drstack.recovery.approving import wait as await_approvals
    from drstack.recovery.conduct import promote

    while True:
        try:
            return promote(world, to, given, agreed=agreed, kind=kind)
        except ApprovalsMissing as missing:
            if not wait:
                raise
            sys.stderr.write(f"waiting: {missing}\n  {in_place(missing.hint or '', world.environment, to=to)}\n")
            await_approvals(world, missing)


def show(world: World, previewed: tuple[Plan, DrstackError | None], form: PlanForm, *, indent: int | None) -> None:
    """Print the plan. What it lacks is raised: people see the plan before that, a program, which could act by it, does not."""
    plan, lacking = previewed
    if lacking is None or form is not PlanForm.JSON:
        sys.stdout.write(shown(world, plan, form, indent=indent))
    if lacking is not None:
        raise lacking


def shown(world: World, plan: Plan, form: PlanForm, *, indent: int | None) -> str:
    """The plan in this form, with how long it will take as far as that is known."""
    from drstack.recovery.estimate import estimate, past_durations
    from drstack.report import plan as as_text

    document = {**plan.document(), "estimate": estimate(plan.steps, *past_durations(world.witness)).document()}
    if form is PlanForm.JSON:
        return json_.dumps(document, indent=indent) + "\n"
    forms = {PlanForm.TREE: as_text.tree, PlanForm.MARKDOWN: as_text.markdown, PlanForm.SVG: as_text.graph}
    return forms[form](document)


def _given(reason: str | None, accept: str | None, failed_at: float | None) -> Given:
    from drstack.recovery.plan import Given
    from drstack.spec import parse_duration

    loss = None if accept is None else float("inf") if accept == "unknown" else parse_duration(accept)
    return Given(by=operator(), reason=reason, data_loss_s=loss, failed_at=failed_at)


def operator() -> str:
    """Who is at the keyboard, for the record."""
    from drstack.assembly import operator as at_the_keyboard

    return at_the_keyboard()


def reconciler(declared: Environment) -> Reconciler:
    """Brings Pulumi's description up once the work runs. The engine is found when it is needed."""
    from drstack.assembly import local_root, project_root
    from drstack.reconcile.after import Reconciler
    from drstack.reconcile.stacks import open_engine

    project = project_root()
    return Reconciler(
        declared.environment, lambda: open_engine(declared, project, local_root(project), inherited=os.environ)
    )


def _lost(workload: dict[str, Any]) -> str:
    from drstack.recovery.objectives import lost
    from drstack.spec import format_duration

    is_bound, goal = workload.get("rpo_is_bound", False), workload["rpo_objective_s"]
    verdict = lost(workload["rpo_s"], goal, is_bound=is_bound)
    known = {"met": "", "missed": "; MISSED", "unknown": "; not known to be met"}[verdict]
    return f"lost {'at most ' if is_bound else ''}{workload['rpo_s']:.1f} s of work (objective {format_duration(goal)}{known})"


def _back(workload: dict[str, Any], *, is_bound: bool) -> str:
    """When it ran again, beside its objective; nothing where it did not have to start."""
    from drstack.spec import format_duration

    took, goal = workload.get("rto_s"), workload.get("rto_objective_s")
    if took is None or goal is None:
        return ""
    missed = "; MISSED" if took > goal else ""  # a time that was at least too long was too long
    return f"; back after {'at least ' if is_bound else ''}{took:.1f} s (objective {format_duration(goal)}{missed})"


def summary(end: dict[str, Any], to: str) -> str:
    """An operation's end, for people."""
    if end.get("already"):
        return f"{to} writes already; nothing to do.\n"
    if "rto_s" not in end:
        return f"{end['result']}\n"
    lines = [f"{to} writes now (assignment {end['number']})."]
    promoted = end["result"] == "promoted"
    for workload in end["workloads"]:
        again = _back(workload, is_bound=end.get("rto_is_bound", False)) if promoted else ""
        lines.append(f"  {workload['name']}: resumed from step {workload['step']}; {_lost(workload)}{again}")
        for void in workload.get("void", ()):
            lines.append(f"    void: {void['commit']} (step {void['step']}) in {void['repository']}: {void['reason']}")
    since = " since promote began: nobody said when it failed" if end.get("rto_is_bound") else ""
    back = "nothing had to start" if end["rto_s"] is None else f"back after {end['rto_s']:.1f} s{since}"
    fences = ", ".join(f"{each['site']} {each['grade']}" for each in end["fences"]) or "nobody"
    if promoted:
        lines.append(f"  {back}; fence: {fences}")
    else:
        lines.append(f"  {end['result']}: stood still for {end['rto_s']:.1f} s")
    return "\n".join(lines) + "\n"
