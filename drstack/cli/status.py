"""`drstack status`: who writes, how far behind the standby is, what would be lost now."""

from __future__ import annotations

import json as json_
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drstack.errors import WitnessUnreachable
from drstack.naming import in_place

if TYPE_CHECKING:
    from drstack.readiness.away import Away
    from drstack.readiness.judge import Readiness
    from drstack.readiness.looking import Looked
    from drstack.recovery.world import World


def status(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds, until interrupted.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 3.0,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout; a line each with --watch.")
    ] = False,
    require_ready: Annotated[
        int | None,
        typer.Option("--require-ready", min=1, max=100, metavar="SCORE", help="Exit 84 below this readiness score."),
    ] = None,
) -> None:
    """Show each workload: writer, term, replication lag, newest recovery point, what would be lost, and what is in the way.

    With --watch, a witness or site that is away is shown, and looked at again. While the witness is away it shows what sites
    and repositories say, and what a promotion without it would do; it ends with exit 22 then.
    """
    from drstack.errors import BelowReadiness
    from drstack.readiness.away import look_without
    from drstack.readiness.looking import Looking

    looking = Looking(environment)
    told: tuple[object, list[dict[str, Any]]] = (None, [])
    while True:
        looked = looking.look()
        away = look_without(environment) if isinstance(looked.error, WitnessUnreachable) else None
        if looked.error is not None and away is None and not watch and require_ready is None:
            raise looked.error
        document, told = _document(environment, looked, told, promotions=json)
        document |= _away(away, looked.error) if away is not None else {}
        sys.stdout.write(json_.dumps(document) + "\n" if json else _render(document, looked.readiness))
        sys.stdout.flush()
        if not watch:
            break
        time.sleep(every)
    if looked.error is not None and require_ready is None:
        raise looked.error
    readiness = looked.readiness
    if require_ready is not None and readiness.score < require_ready:
        first = readiness.findings[0]
        raise BelowReadiness(
            f"readiness of {environment} is {readiness.score}; {require_ready} was asked for: {first.what}",
            hint=first.remedy,
        )


def _away(away: Away, error: Exception | None) -> dict[str, Any]:
    """What is seen without the witness; the error's hint names the site, where one alone could be promoted."""
    possible = [each.target for each in away.moves if each.plan is not None]
    if len(possible) == 1 and isinstance(error, WitnessUnreachable):
        error.hint = in_place(error.hint or "", away.world.environment, to=possible[0])
    return {**away.document(), "witness": {"reachable": False, "why": str(error)}}


Told = tuple[object, list[dict[str, Any]]]


def _document(environment: str, looked: Looked, told: Told, *, promotions: bool) -> tuple[dict[str, Any], Told]:
    from drstack.readiness.words import outlook
    from drstack.recovery.control import describe
    from drstack.recovery.fencing import note_what_is_seen
    from drstack.recovery.history import promotions as past
    from drstack.recovery.shares import describe_shares
    from drstack.recovery.status import status as judge

    world, running, readiness = looked.world, looked.running, looked.readiness
    if world is None or looked.facts is None:
        return {"environment": environment, "at": readiness.at, "readiness": readiness.document()}, told
    back = {name: outlook(each) for name, each in readiness.workloads.items()}
    document = judge(environment, looked.facts, world.needs, running.identity if running else None, back)
    document["running"] = describe(running) if running else None
    if promotions:
        standing = (document["assignment"], document["operation"])
        told = told if told[0] == standing else (standing, past(world.witness))
        document["promotions"] = told[1]
    document["fences"] = [each.document() for each in note_what_is_seen(world, looked.facts.sites)]
    document["break_glass"] = list(looked.unsigned)
    document["serving"] = describe_shares(world)
    document["protection"] = looked.protection.document() if looked.protection is not None else None
    document["readiness"] = readiness.document()
    document["automatic"] = _automatic(environment, world)
    return document, told


def _automatic(environment: str, world: World) -> dict[str, Any] | None:
    """Who sees what; None where nobody observes."""
    from drstack.assembly import automatic_policy, load
    from drstack.automatic.told import describe

    policy = automatic_policy(load(environment))
    return describe(world.witness, policy) if policy.observers else None


def _render(document: dict[str, Any], readiness: Readiness) -> str:
    from drstack.automatic.told import render as observers
    from drstack.cli.traffic import render
    from drstack.readiness.words import lines as found

    if "without_witness" in document:
        return _without(document)
    if "workloads" not in document:
        return "\n".join(found(readiness)) + "\n"
    shown = _standing(document, found(readiness)) + (render(document["serving"]) if document["serving"] else "")
    return shown + (observers(document["automatic"]) if document["automatic"] else "")


def _without(document: dict[str, Any]) -> str:
    """What is seen without the witness, and what could be done without it."""
    from drstack.recovery.status import spell

    environment, told = document["environment"], document["without_witness"]
    lines = [
        f"THE WITNESS CANNOT BE READ: {document['witness']['why']}.",
        f"This is what sites and repositories say; assignment {document['assignment']} is the newest known to them or here.",
        "",
        *(each["sentence"] for each in document["workloads"].values()),
    ]
    lines += [f"{each} goes on without the witness, and has not ended." for each in told["operations"]]
    for target, each in told["promotions"].items():
        lines.append(f"\nPromoting {target} without the witness: {'' if each['possible'] else each['why']}".rstrip())
        lines += [f"  {said}" for said in each["runs"]]
        lines += [
            f"  {one['name']} would go on from step {one['step']} in {one['source']}, at most {spell(one['loss_s'])} lost"
            for one in each["workloads"]
        ]
        lines += [
            f"  first {site} has to be fenced, as proven (else exit 88, and nothing is sealed)"
            for site in each["fences"]
        ]
        lines.append(f"  next: {each['next']}")
    lines.append(f"\nOnce the witness is back: drstack status {environment}. To move it: docs/operations/witness.md.")
    return "\n".join([*lines, *_workloads(document), "", *_sites(document)]) + "\n"


def _standing(document: dict[str, Any], found: list[str]) -> str:
    lines: list[str] = [each["sentence"] for each in document["workloads"].values()]
    lines += found
    lines += _protection(document)
    lines += _operation(document["running"], document["environment"])
    for each in document["fences"]:
        lines += [
            f"The fence of {each['site']} by operation {each['operation']} is {each['grade']}, not proven: {each['proof']}.",
            f"  next: drstack fence {document['environment']} {each['site']} --again",
        ]
    return "\n".join([*lines, *_workloads(document), "", *_sites(document)]) + "\n"


def _workloads(document: dict[str, Any]) -> list[str]:
    from drstack.recovery.status import spell

    lines: list[str] = []
    for name, each in document["workloads"].items():
        lines.append(f"\n{name}: {each['writer']} writes, term {each['term']}, {_run(each, document['sites'])}")
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
            if copy["forked"]:
                lines[-1] += (
                    f"; opened for another in term {copy['term']}: the next promotion, to {each['writer']} too, ends that"
                )
            if copy["rolled_back"]:
                lines[-1] = f"  {site:<10} ROLLED BACK: {copy['rolled_back']}"
        lines += [f"  prover of {site}: {said}" for site, said in each["proof"]["provers"].items()]
    return lines


def _sites(document: dict[str, Any]) -> list[str]:
    from drstack.recovery.status import verified_in_words

    lines: list[str] = []
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
    return lines


def _run(each: dict[str, Any], sites: dict[str, Any]) -> str:
    """How far the run of this term is."""
    site = sites.get(each["writer"])
    if site is None or not site["reachable"]:
        return "whether it runs is not known"
    if each["step"] is None:
        return "does not run" if not each["running"] else "runs" if each["serving"] else "no step yet"
    return f"step {each['step']}" + ("" if each["running"] else ", does not run")


def _operation(running: dict[str, Any] | None, environment: str) -> list[str]:
    if running is None:
        return []
    done, paused = len(running["done"]), running["paused"]
    left = [*running["failed"], *running["begun"], *running["waiting"]]
    state = f"is PAUSED by {paused['by']}: {paused['reason']}" if paused else "has not ended"
    lines = [
        f"Operation {running['id']} ({running['kind']} to {running['target']}, {done} of {done + len(left)} steps) {state}."
    ]
    lines += [f"  {step} FAILED: {why}" for step, why in running["failed"].items() if step not in running["unknown"]]
    for step, what in running["to_confirm"].items():
        confirm = f"    drstack confirm {environment} {step}"
        lines += [f"  {step} waits for a person: {what}", f"{confirm} --reason '…'"]
        lines += [f"{confirm} --again --reason '…'   if it did not"] if step in running["unknown"] else []
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
