"""`drstack kit`: write what a promotion needs to the standby, so that it works with the internet gone; or check one."""

from __future__ import annotations

import json as json_
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from drstack.kit.check import Now, Verdict


def kit(
    environment: Annotated[str | None, typer.Argument(help="The environment's name.")] = None,
    *,
    site: Annotated[
        str | None, typer.Option("--site", help="The site to promote; else the one that is standby.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of numbered kits; else `kit` in the site's own folder.")
    ] = None,
    no_engine: Annotated[bool, typer.Option("--no-engine", help="Leave the Pulumi engine out.")] = False,
    with_training: Annotated[
        bool, typer.Option("--with-training", help="Put PyTorch in too: gigabytes, where the site has none of its own.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="PATH", help="Verify this kit, or the newest of this folder.")
    ] = None,
    max_age: Annotated[
        str, typer.Option("--max-age", metavar="DURATION", help="With --check: older is stale.")
    ] = "30d",
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Write an offline bundle to the standby, from which it can be promoted; or verify one with --check."""
    if (environment is None) == (check is None):
        raise typer.BadParameter("give an environment to write a kit for, or --check PATH")
    if check is not None:
        _check(check, max_age, json=json)
        return
    from drstack.assembly import load, local_root, open_witness, project_root
    from drstack.kit.write import Asked, write_kit

    declared = load(str(environment))
    folder = project_root()
    root = local_root(folder)
    asked = Asked(site, to, engine=not no_engine, training=with_training)
    placed, told = write_kit(declared, folder, root, open_witness(declared, root), asked, _say)
    size = sum(each.size for each in told.files.values())
    if json:
        document: dict[str, Any] = {"path": str(placed), "size_bytes": size, **told.model_dump(mode="json")}
        sys.stdout.write(json_.dumps(document) + "\n")
        return
    sys.stdout.write(
        f"{placed}: {len(told.files)} files, {size / 1e6:.0f} MB, for a promotion of {told.environment} to {told.site}\n"
        f"  in an incident: python3 {shlex.quote(str(placed / 'start.py'))}\n"
    )


def _check(path: Path, max_age: str, *, json: bool) -> None:
    import time

    from drstack.errors import KitStale, KitUnusable
    from drstack.kit import manifest, shelf
    from drstack.kit.check import check
    from drstack.spec import parse_duration

    try:
        max_age_s = parse_duration(max_age)
    except ValueError as error:
        raise typer.BadParameter(f"--max-age {max_age}: write {error}") from error
    told = manifest.read(shelf.newest(path.absolute()))
    now = _now(told.environment)
    verdict = check(path.absolute(), now=now, at=time.time(), max_age_s=max_age_s, say=_say)
    if json:
        sys.stdout.write(json_.dumps(_document(verdict)) + "\n")
    if verdict.faults:
        raise KitUnusable("; ".join(f"{verdict.kit}: {fault}" for fault in verdict.faults))
    if verdict.stale:
        hint = f"Write a new one: drstack kit {told.environment} --site {told.site}"
        raise KitStale(f"{verdict.kit} is whole, and {'; '.join(verdict.stale)}", hint=hint)
    if not json:
        sys.stdout.write(
            f"{verdict.kit}: whole, {verdict.age_s / 3600:.1f} h old, for {told.environment} to {told.site}\n"
        )


def _now(environment: str) -> Now:
    """What the project at hand says of the environment, if it has it."""
    from importlib.metadata import version

    from drstack.assembly import load, local_root, project_root
    from drstack.errors import EnvironmentUnknown
    from drstack.kit.check import Now, digest_of
    from drstack.kit.own import checkout
    from drstack.kit.write import LOCK
    from drstack.spec import find_environment
    from drstack.spec.keys import keys_folder

    try:
        folder = project_root()
        file = find_environment(environment, folder)
    except EnvironmentUnknown:
        _say(f"no project with environment {environment} here: whether the kit is still what it says is not judged")
        return Now()
    keys = keys_folder(load(environment), local_root(folder))
    trust = digest_of(keys / "trust.json") if keys is not None else None
    return Now(digest_of(file), digest_of((checkout() or folder) / LOCK), version("drstack"), trust)


def _document(verdict: Verdict) -> dict[str, Any]:
    told = verdict.manifest
    return {
        "path": str(verdict.kit),
        "environment": told.environment,
        "site": told.site,
        "made_at": told.made_at,
        "age_s": verdict.age_s,
        "usable": not verdict.faults,
        "faults": list(verdict.faults),
        "stale": list(verdict.stale),
    }


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
