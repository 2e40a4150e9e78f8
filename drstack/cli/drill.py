"""`drstack drill`: practise the loss of a site, apart from everything, and measure it."""

from __future__ import annotations

import json as json_
import secrets
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.drills.planning import Request
    from drstack.drills.scene import Scene
    from drstack.drills.tabletop import Question
    from drstack.recovery.world import World
    from drstack.spec import Environment


class Part(StrEnum):
    RESTORE = "restore"
    CAPACITY = "capacity"
    START = "start"


def drill(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    site: Annotated[
        str | None, typer.Option("--site", help="Where the work is to come back. Default: the first standby.")
    ] = None,
    workload: Annotated[
        list[str] | None, typer.Option("--workload", help="Practise with this workload alone; may be repeated.")
    ] = None,
    component: Annotated[
        Part | None, typer.Option("--component", help="Practise this part, and what it needs.")
    ] = None,
    tabletop: Annotated[
        bool, typer.Option("--tabletop", help="Walk through the real plan with questions; touch nothing.")
    ] = False,
    answers: Annotated[
        Path | None, typer.Option("--answers", help="Answers to --tabletop, one a line, where there is no terminal.")
    ] = None,
    surprise: Annotated[
        bool, typer.Option("--surprise", help="Draw what is lost, and when; tell it only at that moment.")
    ] = False,
    window: Annotated[
        str, typer.Option("--window", metavar="DURATION", help="Of --surprise: within which time.")
    ] = "1h",
    seed: Annotated[str | None, typer.Option("--seed", help="Of --surprise: draw what this draws; recorded.")] = None,
    due: Annotated[
        bool, typer.Option("--due", help="Hold what the schedule asks for, if it is due; else nothing.")
    ] = False,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="End it after so long.")] = "2h",
    unconfined: Annotated[
        bool,
        typer.Option(
            "--unconfined", help="Go on where the kernel cannot keep jobs in the drill's folder; needs --reason."
        ),
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; recorded.")] = None,
    clean_up: Annotated[bool, typer.Option("--clean-up", help="Remove what killed drills left; hold none.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="The drills that were held, and how they ended.")] = False,
    show: Annotated[
        str | None, typer.Option("--show", metavar="ID", help="The report of a drill that was held.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Promote into isolation, measure, clean up. Exit 85 if it failed or missed an objective, 86 if it was cut short."""
    from drstack.assembly import load, open_witness
    from drstack.drills.planning import Request
    from drstack.spec import parse_duration

    declared, root = load(environment), _root()
    if listed or show is not None:
        _tell_held(open_witness(declared, root), show, json=json)
        return
    if clean_up:
        _clean(declared, root, json=json)
        return
    if due:
        plan = _due(declared, root, json=json)
        if plan is None:
            return
        tabletop, surprise, component, site = plan
    _require_reason(unconfined=unconfined, reason=reason)
    by = _operator()
    if tabletop:
        _report(_walked(declared, root, by, reason, site, workload, answers), json=json)
        return
    drawn = seed or (secrets.token_hex(8) if surprise else None)
    request = Request(
        by=by, site=site, workloads=tuple(workload or ()), component=None if component is None else component.value,
        surprise_seed=drawn, window_s=parse_duration(window) if surprise else 0.0, timeout_s=parse_duration(timeout),
        confined=not unconfined, reason=reason, decide=_decide if drawn else None,
    )  # fmt: skip
    _report(_held(declared, root, request), json=json)


def _root() -> Path:
    from drstack.assembly import local_root, project_root

    return local_root(project_root())


def _operator() -> str:
    from drstack.cli.promote import operator

    return operator()


def _require_reason(*, unconfined: bool, reason: str | None) -> None:
    from drstack.errors import ConsentRequired

    if unconfined and not reason:
        raise ConsentRequired("an unconfined drill needs a reason", hint="Add: --reason '…'")


def _opener(declared: Environment, root: Path, title: str) -> Callable[[str | None], World]:
    from drstack.assembly import assemble
    from drstack.cli.progress import Tree

    tree = Tree(title)
    return lambda site: assemble(declared, root, site, progress=tree)


def _held(declared: Environment, root: Path, request: Request) -> dict[str, Any]:
    from drstack.drills.conduct import hold
    from replicator.heap import keep_freed_blocks

    def stopped(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stopped)  # so that it cleans up as after Ctrl-C
    keep_freed_blocks()
    open_at = _opener(declared, root, f"drill of {declared.environment}")
    return hold(declared, root, request, open_at(None), open_at)


def _decide(scene: Scene) -> str | None:
    """Tell the operator what is lost, and take what they would do; nobody is asked without a terminal."""
    sys.stderr.write(f"DRILL: {scene.lost} is lost, with {', '.join(scene.workloads)}.\n")
    sys.stderr.flush()
    if not sys.stdin.isatty():
        return None
    return str(typer.prompt("Where do you bring the work back (the drill goes on then)", err=True))


def _walked(
    declared: Environment,
    root: Path,
    by: str,
    reason: str | None,
    site: str | None,
    workload: list[str] | None,
    answers: Path | None,
) -> dict[str, Any]:
    from drstack.drills.tabletop import hold

    world = _opener(declared, root, f"tabletop drill of {declared.environment}")(None)
    return hold(world, by=by, reason=reason, site=site, workloads=tuple(workload or ()), ask=_asker(answers))


def _asker(answers: Path | None) -> Callable[[Question], str | None]:
    from drstack.errors import ConsentRequired

    if answers is None and not sys.stdin.isatty():
        raise ConsentRequired(
            "a tabletop drill asks, and there is no terminal", hint="Give the answers: --answers FILE, one a line."
        )
    given = iter(answers.read_text().splitlines()) if answers is not None else None

    def ask(question: Question) -> str | None:
        sys.stderr.write("".join(f"{line}\n" for line in question.told))
        if given is None:
            return str(typer.prompt(question.asked, default="", show_default=False, err=True))
        answer = next(given, None)
        sys.stderr.write(f"{question.asked} {answer if answer is not None else '(nobody answers)'}\n")
        return answer

    return ask


def _due(declared: Environment, root: Path, *, json: bool) -> tuple[bool, bool, Part | None, str | None] | None:
    """What the schedule asks for now, as (tabletop, surprise, component, site); None, and said so, where nothing is due."""
    from drstack.assembly import open_witness
    from drstack.drills.schedule import last_held, overdue
    from drstack.errors import EnvironmentUnknown

    schedule = declared.drills
    if schedule is None:
        raise EnvironmentUnknown(
            f"environment {declared.environment} has no schedule of drills",
            hint="Add to its file: drills: {every: 30d}",
        )
    last = last_held(schedule, open_witness(declared, root).drills().all())
    late = overdue(schedule, last, time.time(), environment=declared.environment)
    if late is None:
        sys.stdout.write(json_.dumps({"due": False}) + "\n" if json else "No drill is due.\n")
        return None
    sys.stderr.write(f"{late.why}\n")
    part = Part(schedule.kind) if schedule.kind in [each.value for each in Part] else None
    return schedule.kind == "tabletop", schedule.kind == "surprise", part, schedule.site


def _clean(declared: Environment, root: Path, *, json: bool) -> None:
    from dataclasses import asdict

    from drstack.drills.conduct import clean_up

    removed = clean_up(_opener(declared, root, f"cleaning up after drills of {declared.environment}")(None), root)
    lines = [f"folder {each} removed" for each in removed.folders] + [f"unpinned {each}" for each in removed.pins]
    lines += [f"drill {removed.record} recorded as killed"] if removed.record else []
    lines += [f"stays: {each}" for each in removed.kept] or (["Nothing was left."] if not removed.anything else [])
    sys.stdout.write(json_.dumps(asdict(removed)) + "\n" if json else "\n".join(lines) + "\n")


def _tell_held(witness: Any, show: str | None, *, json: bool) -> None:
    from drstack.errors import EnvironmentUnknown

    held = witness.drills().all()
    if show is not None:
        found = next((each for each in held if each.id == show), None)
        if found is None or found.ended is None or found.ended["report"] is None:
            raise EnvironmentUnknown(f"no report of a drill {show!r}", hint="drstack drill ENV --list")
        sys.stdout.write(json_.dumps(found.ended["measured"]) + "\n" if json else str(found.ended["report"]))
        return
    rows = [
        {"id": each.id, "kind": each.kind, "site": each.site, "lost": each.begun["lost"], "by": each.begun["by"],
         "began_at": each.begun["began_at"], "ended_at": each.ended_at, "result": each.result}
        for each in held
    ]  # fmt: skip
    lines = [
        f"{row['id']}  {row['kind']:<9} {row['lost']} → {row['site']}  {row['result'] or 'not ended'}\n" for row in rows
    ]
    sys.stdout.write(json_.dumps({"drills": rows}) + "\n" if json else "".join(lines) or "No drill was held.\n")


def _report(document: dict[str, Any], *, json: bool) -> None:
    from drstack.errors import DrillCut, DrillFailed

    sys.stdout.write(json_.dumps(document) + "\n" if json else document["report"])
    sys.stdout.flush()
    identity, result = document["id"], document["result"]
    if result in ("failed", "missed"):
        why = "; ".join(each["what"] for each in document["findings"])
        raise DrillFailed(f"drill {identity} {result}: {why}")
    if result in ("gave way", "killed"):
        raise DrillCut(f"drill {identity} was cut short: {document['why']}")
