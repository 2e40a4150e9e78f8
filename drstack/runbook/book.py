"""The runbook of an environment, as values: what to type at 3 a.m. first, then everything for each site that may be lost.

Pure. Invariant: it holds only what stays while plans stay; whoever writes it twice on an unchanged environment gets the
same bytes, but for the times that were measured meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.report.blocks import Block, Heading, Line, Listing, Mono, Page, Paragraph, Table, noted
from drstack.runbook.away import away
from drstack.runbook.chapter import chapter, command
from drstack.runbook.lost import able, first, structure
from drstack.spec import objectives
from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.runbook.chapter import Expected
    from drstack.runbook.lost import Lost
    from drstack.spec import Environment


@dataclass(frozen=True, slots=True)
class Extra:
    """What a copy has besides, before the commands and at its end. `drstack`: the command, as it is typed there."""

    drstack: str = "drstack"
    title: str = ""
    first: tuple[Block, ...] = ()
    last: tuple[Block, ...] = ()
    site: str | None = None
    """The site that this copy is for: the commands on its first page promote that one."""


def book(
    declared: Environment, every: tuple[Lost, ...], expected: Expected, descriptors: Mapping[str, Mapping[str, Any]],
    witness: str, state: str, extra: Extra,
) -> Page:  # fmt: skip
    """`witness`, `state`: their addresses, resolved."""
    name = declared.environment
    blocks: list[Block] = [*extra.first, *_at_three(name, every, extra), *_contacts(declared)]
    blocks += _approvals(declared, extra.drstack)
    for lost in every:
        blocks += chapter(name, lost, expected, drstack=extra.drstack, encrypted=declared.replication.encrypted)
    blocks += [
        *_says(extra.drstack, name), *_meanwhile(extra.drstack, name),
        *away(extra.drstack, name, every, witness, site=extra.site),
        *_afterwards(extra.drstack, name), *_agreed(declared), *_places(descriptors, witness, state), *extra.last,
    ]  # fmt: skip
    eyebrow = f"Structure {structure(every)}"
    if not extra.title:
        eyebrow += f" · whether it still holds: {extra.drstack} runbook {name} --check FILE"
    return Page(extra.title or f"Runbook of {name}", eyebrow, tuple(blocks))


def _at_three(name: str, every: tuple[Lost, ...], extra: Extra) -> list[Block]:
    able_ways, way = able(every), first(every, extra.site)
    if way is None:
        return [
            Heading("At 3 a.m."),
            Paragraph("No site could take over the work of another. The chapters below say why."),
        ]
    typed = command(name, way, extra.drstack)
    rows = tuple((each.lost, each.target, Mono(command(name, each, extra.drstack))) for each in able_ways)
    table = Table(("Lost", "Goes on at", "3."), rows)
    return [
        Heading(f"At 3 a.m., if {way.lost} is lost"),
        noted(
            (f"{extra.drstack} status {name}", "1. who writes, what would be lost, who can be seen"),
            (f"{typed} --plan --as tree", "2. what a promotion would do; touches nothing"),
            (typed, "3. do it"),
        ),
        Listing((
            f"If 1 shows that {way.lost} still makes steps, it is not lost: call somebody before 3.",
            "Run 3 again at any time: it takes up what was interrupted. Two people may run it at once.",
            "If it ends with another code than 0, look the code up below.",
        )),
        *((table,) if len(able_ways) > 1 else ()),
    ]  # fmt: skip


def _contacts(declared: Environment) -> list[Block]:
    if not declared.contacts:
        where = ("None are declared: add ", Mono("contacts:"), " to the environment file, in the order of escalation.")
        return [Heading("Whom to call"), Paragraph(where)]
    rows = tuple(
        (str(n), each.name, each.phone or "", each.email or "", each.when or "", _called(n, each.after))
        for n, each in enumerate(declared.contacts, 1)
    )
    head = ("", "Who", "Telephone", "E-mail", "When", "Called")
    return [Heading("Whom to call, in this order"), Table(head, rows)]


def _called(n: int, after_s: float | None) -> str:
    if after_s is not None:
        return f"after {format_duration(after_s)} without an answer"
    return "first" if n == 1 else "with the one before"


def _approvals(declared: Environment, drstack: str) -> list[Block]:
    rows = tuple(
        (
            kind,
            f"{quorum.at_least} of {', '.join(quorum.of)}",
            f"for {format_duration(quorum.expires)}",
            ", ".join(quorum.break_glass) or "nobody",
        )
        for kind, quorum in declared.approvals.declared().items()
    )
    if not rows:
        return []
    typed = (
        "Type the command: it ends with exit code 25 and names who is asked. Each of them types ",
        Mono(f"{drstack} approve {declared.environment} --as NAME"),
        "; then the command again. Without them, by whoever may: ",
        Mono("--break-glass NAME --reason '…'"),
    )
    head = ("Operation", "Takes the word of", "Which counts", "May go on without")
    return [Heading("Who has to agree"), Table(head, rows), Paragraph(typed)]


def _says(drstack: str, name: str) -> list[Block]:
    resume, end = Mono(f"{drstack} resume {name}"), Mono(f"{drstack} abort {name} --reason '…'")
    rows: tuple[tuple[Line, ...], ...] = (
        ("22, 23", "the witness is away, or not what it should be", "see: the witness is away"),
        (
            "24",
            "more would be lost than the objective allows, or a rule is in the way",
            "the message names what; see: consents",
        ),
        ("25", "a consent is needed", "the message names it: the command again, with it and --reason '…'"),
        ("26", "another operation has not ended", (resume, ", or end it: ", end)),
        ("27", "a plan file is older than what is true now", "plan again"),
        ("28, 29", "a step failed; the others that could be done are done", ("mend what it names, then ", resume)),
        ("32", "the standby is away or too small", "the message says what it lacks; else another site"),
        (
            "56, 57",
            "a private key is not at hand or cannot be used; nothing was touched",
            "the message names key and folder",
        ),
        ("80", "somebody paused it", ("talk to them, then ", resume)),
        ("88", "a fence is not proven; without the witness it has to be", "see: the witness is away"),
    )
    return [
        Heading("What it may say", new_page=True),
        Table(("Exit code", "It says", "Do"), rows),
        Paragraph(("All codes: ", Mono(f"{drstack} exit-codes"))),
    ]


def _meanwhile(drstack: str, name: str) -> list[Block]:
    return [
        Heading("While it runs, from any machine"),
        noted(
            (f"{drstack} status {name} --watch", "how far it is"),
            (f"{drstack} pause {name} --reason '…'", "nobody begins another step"),
            (f"{drstack} resume {name}", "go on; also after a failure, or an operator who went away"),
            (f"{drstack} skip {name} STEP --reason '…'", "leave out a step that others can do without"),
            (f"{drstack} abort {name} --reason '…'", "end it where it is, and say what stands"),
        ),
    ]


def _afterwards(drstack: str, name: str) -> list[Block]:
    return [
        Heading("Afterwards, and home again"),
        noted(
            (f"{drstack} up {name} --site SITE", "the new site, where the promotion said NOT reconciled"),
            (f"{drstack} up {name} --site LOST --refresh", "once the lost site is there again: it stands by"),
            (f"{drstack} failback {name}", "once it has caught up: the work goes home, nothing is lost"),
            (f"{drstack} report {name} --operation last --out operation.html", "what happened, for the morning"),
        ),
        Paragraph("What the lost site had written and never shipped stays there, is void, and is listed."),
    ]


def _agreed(declared: Environment) -> list[Block]:
    rows: list[tuple[Line, ...]] = []
    for workload, each in declared.workloads.items():
        goal = objectives(each)
        spans = (format_duration(goal.rpo_s), format_duration(goal.rto_s))
        rows.append((workload, each.class_, *spans, ", ".join(each.after)))
    head = ("Workload", "Class", "Most work that may be lost", "Longest until it runs again", "Started after")
    return [Heading("What was agreed"), Table(head, tuple(rows))]


def _places(descriptors: Mapping[str, Mapping[str, Any]], witness: str, state: str) -> list[Block]:
    rows: list[tuple[Line, ...]] = [("witness", Mono(witness)), ("state of Pulumi", Mono(state))]
    for site, body in descriptors.items():
        where = str(body.get("folder", body.get("platform")))
        rows.append((f"site {site}", (Mono(where), ", repository ", Mono(str(body.get("repository"))))))
    return [Heading("Where things are"), Table(("What", "Where"), tuple(rows))]
