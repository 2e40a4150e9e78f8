"""`drstack traffic`: which sites answer requests, and changing that in steps."""

from __future__ import annotations

import json as json_
import sys
from typing import Annotated

import typer


def traffic(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    to: Annotated[
        str | None, typer.Option("--to", metavar="SITE=PERCENT,…", help="New shares, together 100; others get none.")
    ] = None,
    workload: Annotated[
        str | None, typer.Option("--workload", help="The workload that serves; needed where there are several.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show each site's share of the requests; with --to, shift them: 10, 50, then 100 per cent of the way."""
    from drstack.assembly import assemble, load, local_root, project_root
    from drstack.cli.progress import Tree
    from drstack.errors import EnvironmentUnknown
    from drstack.recovery.shares import describe_shares, set_shares

    declared = load(environment)
    world = assemble(declared, local_root(project_root()), None, progress=Tree(f"traffic of {environment}"))
    if to is not None:
        name = workload or next(iter(world.serving), "")
        if workload is None and len(world.serving) > 1:
            raise EnvironmentUnknown(
                f"{environment} serves {', '.join(world.serving)}", hint="Say which: --workload NAME."
            )
        set_shares(world, name, _shares(to))
    document = describe_shares(world)
    sys.stdout.write(json_.dumps(document) + "\n" if json else render(document))


def _shares(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in text.split(","):
        site, _, percent = each.strip().partition("=")
        if not site or not percent.removesuffix("%").isdigit() or site in found:
            raise typer.BadParameter(f"{each!r} is no share; write --to east=50,west=50")
        found[site] = int(percent.removesuffix("%"))
    return found


def render(document: dict[str, dict[str, object]]) -> str:
    lines: list[str] = []
    for name, each in document.items():
        assigned, turned, ready = (dict(_mapping(each[field])) for field in ("assigned", "turned", "ready"))
        lines.append(f"{name}: {each['url'] or 'no router: ' + str(each['why'])}")
        for site, share in assigned.items():
            now = "" if turned.get(site, 0) == share else f" (the router still gives it {turned.get(site, 0)} %)"
            lines.append(f"  {site:<10} {share:>3} %{now}, {'ready' if ready.get(site) else 'NOT READY'}")
    return "\n".join(lines) + "\n" if lines else "Nothing is served.\n"


def _mapping(value: object) -> dict[str, int]:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]
