"""`drstack fence`: stop what writes at a site, promote nobody, and say how sure it is."""

from __future__ import annotations

import json as json_
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drstack.cli.approve import PersonKey
from drstack.cli.promote import PlanForm

if TYPE_CHECKING:
    from drstack.recovery.plan import Given
    from drstack.recovery.world import World


def fence(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    site: Annotated[str, typer.Argument(help="The site that shall not act any more.")],
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; recorded.")] = None,
    workload: Annotated[
        list[str] | None, typer.Option("--workload", help="Stop this workload there alone; may be repeated.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Try once more to prove the last fence of this site.")] = False,
    lift: Annotated[
        bool, typer.Option("--lift", help="Start again there what the last fence stopped; needs --reason.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan with its hash and touch nothing.")] = False,
    shown_as: Annotated[PlanForm, typer.Option("--as", help="How --plan prints it.")] = PlanForm.JSON,
    break_glass: Annotated[
        str | None,
        typer.Option(
            "--break-glass", metavar="NAME", help="Go on without approvals, as NAME, who may; needs --reason."
        ),
    ] = None,
    key: PersonKey = None,
    yes: Annotated[bool, typer.Option("--yes", help="Consent that what it writes stands still.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Stop what writes at a site. Nobody is promoted: what ran there stands still until somebody starts it again."""
    from drstack.assembly import assemble, load, local_root, operator, project_root
    from drstack.cli.approve import holding
    from drstack.cli.progress import Tree
    from drstack.cli.promote import shown
    from drstack.recovery.conduct import look
    from drstack.recovery.fencing import fence as carry_out
    from drstack.recovery.fencing import meaning, plan_fence
    from drstack.recovery.plan import Given

    declared, root = load(environment), local_root(project_root())
    world = assemble(
        declared,
        root,
        None,
        progress=Tree(f"fence {site} of {environment}"),
        holding=holding(declared, root, break_glass, key),
    )
    given = Given(by=operator(), reason=reason, only=tuple(workload or ()), break_glass=break_glass)
    if lift:
        _lift(world, site, given, json=json)
        return
    if again:
        _told(_again(world, site), json=json, environment=environment)
        return
    planned = plan_fence(environment, look(world), _known(world, site), given)
    if plan:
        sys.stdout.write(shown(world, planned, shown_as, indent=None if json else 2))
        return
    _require_consent(given, meaning(planned, environment=environment), yes=yes)
    end = carry_out(world, site, given)
    sys.stderr.write(f"{meaning(planned, environment=environment)}\n")
    _told(
        {**end["fences"][0], "operation": end["operation"], "stops": end["stops"]}, json=json, environment=environment
    )


def _lift(world: World, site: str, given: Given, *, json: bool) -> None:
    from drstack.errors import ConsentRequired
    from drstack.recovery.lifting import lift

    if not given.reason:
        raise ConsentRequired("lifting a fence needs a reason", hint="Add: --reason '…'")
    told = lift(world, _known(world, site), by=given.by, reason=given.reason)
    sys.stdout.write(json_.dumps(told) + "\n" if json else "\n".join(told["told"]) + "\n")


def _again(world: World, site: str) -> dict[str, Any]:
    from drstack.recovery.fencing import again

    return again(world, site)


def _known(world: World, site: str) -> str:
    from drstack.errors import EnvironmentUnknown

    if site not in world.sites:
        raise EnvironmentUnknown(
            f"environment {world.environment} has no site {site!r}", hint=f"Its sites are: {', '.join(world.sites)}."
        )
    return site


def _require_consent(given: Given, what: str, *, yes: bool) -> None:
    from drstack.errors import ConsentRequired

    if not given.reason:
        raise ConsentRequired("a fence needs a reason", hint="Add: --reason '…'")
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConsentRequired(what, hint="If that is meant: --yes")
    typer.confirm(f"{what}. Go on?", abort=True, err=True)


def _told(row: dict[str, Any], *, json: bool, environment: str) -> None:
    """FenceNotProven, once it was printed, where nothing proves it."""
    from drstack.errors import FenceNotProven

    text = f"{row['site']}: {row['grade']} ({row['proof']}); operation {row['operation']}\n"
    sys.stdout.write(json_.dumps(row) + "\n" if json else text)
    if row["grade"] != "proven":
        raise FenceNotProven(
            f"the fence of {row['site']} is {row['grade']}: {row['proof']}",
            hint=f"Once it is within reach: drstack fence {environment} {row['site']} --again (or drstack status {environment}).",
        )
