"""The chapter of one lost site: for each site that may take over what to type, what happens, and what if it fails. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drstack.report.blocks import Block, Commands, Heading, Line, Listing, Mono, Paragraph, Picture, Table, told
from drstack.report.plan import graph
from drstack.runbook.lost import steps_told
from drstack.runbook.remedies import remedy
from drstack.runbook.stale import about
from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drstack.recovery.estimate import Estimate
    from drstack.recovery.plan import Plan
    from drstack.recovery.steps import Step
    from drstack.runbook.lost import Doc, Lost, Way

    Expected = Callable[[Sequence[Step]], Estimate]


_FAILS = (
    "A step begins once all that it comes after are done; others run beside it. If one fails, the others that can be done "
    "are done, and the command ends with exit code 28 or 29 and names it. Do what the last column says, then:"
)


def command(environment: str, way: Way, drstack: str) -> str:
    """What carries the way out."""
    named = "".join(f" --workload {name}" for name in way.only)
    return f"{drstack} promote {environment} --to {way.target}{named}"


def chapter(environment: str, lost: Lost, expected: Expected, *, drstack: str, encrypted: bool) -> list[Block]:
    """`drstack`: the command as it is typed. `expected`: how long steps take, from past operations."""
    blocks: list[Block] = [Heading(f"{lost.site} is lost", new_page=True)]
    if not lost.ways:
        again = f"{drstack} up {environment} --site {lost.site} --refresh"
        said = f"{lost.site} writes nothing now: nothing is promoted. Until it is back, it can take nothing over. Once it is:"
        return [*blocks, Paragraph(said), Commands((again,))]
    others = "Sites that may take over, in the order of the environment file:"
    blocks.append(Paragraph(f"It writes {', '.join(lost.writes)}. {others}"))
    for way in lost.ways:
        blocks += [Heading(f"{lost.site} → {way.target}", level=3)]
        blocks += _way(environment, way, expected, drstack, encrypted=encrypted) if way.plan else _refused(way)
    return blocks


def _refused(way: Way) -> list[Block]:
    hint: list[Block] = [Paragraph(told(f"To change that: {way.hint}"))] if way.hint else []
    return [Paragraph(told(f"It cannot take over: {way.why}.")), *hint]


def _way(environment: str, way: Way, expected: Expected, drstack: str, *, encrypted: bool) -> list[Block]:
    plan = way.plan
    assert plan is not None  # noqa: S101 - the caller looked
    steps, guess = steps_told(plan), expected(plan.steps)
    typed = command(environment, way, drstack)
    total = guess.total_s if guess.operations and not set(guess.unknown) & set(_needed(plan)) else None
    return [
        Commands((f"{typed} --plan --as tree", typed)),
        Paragraph(f"All of it {about(total)}. It runs by itself; what follows is what you will see."),
        Heading("Before", level=4),
        Listing(tuple(_before(plan, environment, drstack, encrypted=encrypted))),
        Heading("Consents", level=4),
        *_consents(way, plan),
        Heading("Steps", level=4),
        _picture(plan, steps),
        _steps(steps, environment, way, guess, drstack),
        Paragraph(f"{_FAILS} {drstack} resume {environment}."),
    ]  # fmt: skip


def _needed(plan: Plan) -> list[str]:
    """Steps up to the work making steps; what follows may take as long as it likes."""
    return [step.id for step in plan.steps if step.act != "reconcile"]


def _before(plan: Plan, environment: str, drstack: str, *, encrypted: bool) -> list[Line]:
    seen = f"Ask if {' and '.join(plan.fence)} can be seen to run: a promotion takes its work away. "
    found: list[Line] = [
        (seen, Mono(f"{drstack} status {environment}")),
        f"The witness is within reach, and {plan.target} with {plan.capacity} worker slots and its replicator.",
        f"{_named(plan)}: a checkpoint with the receipts that its class demands is in a repository within reach.",
    ]
    if encrypted:
        found.append("promoter.key is at hand, and a recipient's key that may read what is restored.")
    needed = dict.fromkeys(step.requires for step in plan.steps if step.requires)
    return [*found, *(told(f"{each[:1].upper()}{each[1:]}.") for each in needed)]


def _named(plan: Plan) -> str:
    return ", ".join(each.name for each in plan.workloads)


def _consents(way: Way, plan: Plan) -> list[Block]:
    bounds = ", ".join(
        f"{each.name} {format_duration(each.loss_bound_s)}" for each in plan.workloads if each.loss_bound_s
    )
    older = "The newest recovery point is older than the objective" + (f" ({bounds})" if bounds else "")
    away = (
        "A repository that confirms checkpoints is out of reach too",
        Mono("--accept-data-loss unknown --reason '…'"),
    )
    rows: list[tuple[Line, ...]] = [
        *((told(f"It will be asked for: {why}"), _flags(hint)) for why, hint in way.asked),
        (older, Mono("--accept-data-loss 15m --reason '…'")),
        *(() if any("unknown" in hint for _, hint in way.asked) else (away,)),
        ("Every recovery point within the objective was tried and failed", Mono("--accept-failed-proof --reason '…'")),
        ("The old site must not be touched, not even to stop it", Mono("--skip-fence SITE --reason '…'")),
        ("An operation has not ended, and what it needs is lost", Mono("--abandon OPERATION --reason '…'")),
    ]
    said = "Exit code 24 or 25 asks for one, and the message names it: the command again with it, and why. --yes implies none."
    return [Paragraph(said), Table(("If", "Add"), tuple(rows))]


def _flags(hint: str) -> Line:
    flags = re.search(r"--.*", hint)
    return Mono(flags.group()) if flags else hint


def _picture(plan: Plan, steps: list[Doc]) -> Picture:
    """The steps as a graph, without what it would take now."""
    named = {"environment": plan.environment, "target": plan.target, "alone": plan.alone, "kind": plan.kind}
    shown = {**named, "workloads": [{"name": each.name} for each in plan.workloads], "steps": steps}
    drawn = graph(shown).replace(' xmlns="http://www.w3.org/2000/svg"', "")
    drawn = re.sub(r'(id="|#)tip\b', rf"\1tip-{'-'.join(plan.fence)}-{plan.target}", drawn)
    return Picture(drawn, f"Graph of {len(steps)} steps, from left to right.")


def _steps(steps: list[Doc], environment: str, way: Way, guess: Estimate, drstack: str) -> Table:
    rows = tuple(
        (
            Mono(step["id"]),
            told(step["does"]),
            ", ".join(step["after"]) or "at once",
            about(guess.steps.get(step["id"])),
            format_duration(step["timeout_s"]),
            _of(step["undone"] or "nothing to undo", environment, way.lost, drstack),
            _of(remedy(step["act"], skippable=step["skippable"]), environment, step["at"] or way.target, drstack),
        )
        for step in steps
    )
    return Table(("Step", "What it does", "After", "Takes", "Gives up after", "Undone by", "If it fails"), rows)


def _of(text: str, environment: str, site: str, drstack: str) -> Line:
    """With the names in place of ENV and SITE, and the command as it is typed here."""
    typed = re.sub(r"\bdrstack (?=[a-z])", f"{drstack} ", text)
    return told(re.sub(r"\bSITE\b", site, re.sub(r"\bENV\b", environment, typed)))
