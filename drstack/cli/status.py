"""`drstack status`: who writes, how far behind the standby is, what would be lost now."""

from __future__ import annotations

import json as json_
import sys
import time
from typing import Annotated, Any

import typer


def status(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds, until interrupted.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 3.0,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout; a line each with --watch.")
    ] = False,
) -> None:
    """Show each workload: writer, term, replication lag, newest recovery point, and what would be lost now."""
    from drstack.assembly import assemble, load, local_root, project_root
    from drstack.cli.traffic import render
    from drstack.custody.readiness import readiness
    from drstack.recovery.conduct import look
    from drstack.recovery.control import describe
    from drstack.recovery.history import promotions
    from drstack.recovery.operation import unfinished
    from drstack.recovery.shares import describe_shares
    from drstack.recovery.status import status as judge

    declared = load(environment)
    world = assemble(declared, local_root(project_root()), None, progress=_Silent())
    told: tuple[object, list[dict[str, Any]]] = (None, [])
    while True:
        running = unfinished(world.witness)
        document = judge(environment, look(world), world.needs, running.identity if running else None)
        document["running"] = describe(running) if running else None
        if json:
            standing = (document["assignment"], document["operation"])
            told = told if told[0] == standing else (standing, promotions(world.witness))
            document["promotions"] = told[1]
        document["serving"] = describe_shares(world)
        writers = {name: each["writer"] for name, each in document["workloads"].items()}
        document["protection"] = readiness(world.keys, world.repositories, writers).document()
        shown = _render(document) + (render(document["serving"]) if document["serving"] else "")
        sys.stdout.write(json_.dumps(document) + "\n" if json else shown)
        sys.stdout.flush()
        if not watch:
            return
        time.sleep(every)


class _Silent:
    def begin(self, step: str) -> None:
        del step

    def end(self, step: str, seconds: float, detail: str) -> None:
        del step, seconds, detail


def _render(document: dict[str, Any]) -> str:
    from drstack.recovery.status import spell, verified_in_words

    lines: list[str] = [each["sentence"] for each in document["workloads"].values()]
    lines += _protection(document)
    lines += _operation(document["running"], document["environment"])
    for name, each in document["workloads"].items():
        lines.append(
            f"\n{name}: {each['writer']} writes, term {each['term']}, step {each['step'] if each['step'] is not None else '?'}"
        )
        point = each["recovery_point"]
        if point and point["made_with"]:
            lines.append(f"  recovery point of step {point['step']} was made with {point['made_with']}")
        for site, copy in each["replication"].items():
            where = (
                f"step {copy['newest_step']}, {spell(copy['lag_s'])} old"
                if copy["newest_step"] is not None
                else "nothing"
            )
            lines.append(f"  {site:<10} {where}" if copy["reachable"] else f"  {site:<10} out of reach: {copy['why']}")
            if copy["rolled_back"]:
                lines[-1] = f"  {site:<10} ROLLED BACK: {copy['rolled_back']}"
        lines += [f"  prover of {site}: {said}" for site, said in each["proof"]["provers"].items()]
    lines.append("")
    for name, site in document["sites"].items():
        state = (
            f"{site['capacity']} of {site['capacity_bound']} slots"
            if site["reachable"]
            else f"out of sight: {site['why']}"
        )
        lines.append(f"{name:<12} {state}")
        if site["verified"]:
            lines.append(f"  {verified_in_words(site['verified'])}")
            lines += [f"  to test next: {each}" for each in site["verified"]["next"][:1]]
    return "\n".join(lines) + "\n"


def _operation(running: dict[str, Any] | None, environment: str) -> list[str]:
    if running is None:
        return []
    done, paused = len(running["done"]), running["paused"]
    left = [*running["failed"], *running["begun"], *running["waiting"]]
    state = f"is PAUSED by {paused['by']}: {paused['reason']}" if paused else "has not ended"
    lines = [
        f"Operation {running['id']} ({running['kind']} to {running['target']}, {done} of {done + len(left)} steps) {state}."
    ]
    lines += [f"  {step} FAILED: {why}" for step, why in running["failed"].items()]
    return [*lines, f"  next: drstack resume {environment}"]


def _protection(document: dict[str, Any]) -> list[str]:
    from drstack.cli.keys import plain

    told = document["protection"]
    if told["suite"] == "none":
        return [f"WARNING: {plain(document['environment'])}."]
    if not told["ready"]:
        return [
            "NOT READY: no recipient in custody has restored anything yet, so nobody knows that its key works.",
            f"  next: {told['command']}",
        ]
    return [f"Encrypted and signed ({told['suite']}); {', '.join(told['restored_by'])} restored from it."]
