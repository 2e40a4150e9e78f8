"""`drstack witness …`: what the witness holds, and putting it back from the copies in the repositories."""

from __future__ import annotations

import json as json_
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from drstack.witness.assignment import Assignment
    from drstack.witness.rebuild import Rebuilt
    from drstack.witness.repair import Survey

app = typer.Typer(help="The witness: who writes, and since when.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The environment's name.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
_LOST = "journals, approvals, drills and leases are in no repository: what was lost of them stays lost"


@app.command()
def show(environment: Name, *, json: Json = False) -> None:
    """Every assignment: who writes what, since when and why."""
    from drstack.assembly import load, local_root, open_witness, project_root

    witness = open_witness(load(environment), local_root(project_root()))
    every = [_row(each) for each in witness.assignments()]
    if json:
        sys.stdout.write(json_.dumps({"environment": environment, "witness": witness.url, "assignments": every}) + "\n")
        return
    causes = [_cause(row) for row in every]
    width = max((len(cause) for cause in causes), default=0)
    lines = [f"{_line(row, f'{cause:<{width}}')}\n" for row, cause in zip(every, causes, strict=True)]
    sys.stdout.write("".join(lines) or f"witness {witness.url} is empty\n")


@app.command()
def repair(
    environment: Name,
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="What became of it; recorded.")] = None,
    repo: Annotated[
        list[str] | None,
        typer.Option("--repo", metavar="SITE=URL", help="Where a site's repository is, if the witness cannot tell."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="SITE", help="Go on though this site's repository says nothing."),
    ] = None,
    believe: Annotated[
        str | None, typer.Option("--believe", metavar="SITE", help="Whose word counts where two logs differ.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be written, and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Put back a witness that is empty or shorter than the repositories know. Run it again at any time."""
    from drstack.assembly import load, local_root, open_witness, operator, project_root, repositories_told
    from drstack.errors import ConsentRequired
    from drstack.unwitnessed import stand_ins
    from drstack.witness.repair import plan_repair, survey
    from drstack.witness.repair import repair as write

    declared, root = load(environment), local_root(project_root())
    witness = open_witness(declared, root)
    repositories = repositories_told(declared, root, witness, repo or ())
    found = survey(repositories, declared.workloads)
    if not reason and not plan:
        raise ConsentRequired(
            "a witness is put back by hand, for a reason", hint=f"drstack witness repair {environment} --reason WHY"
        )
    planned = plan_repair(
        witness, found, by=operator(), reason=reason or "planned", without=tuple(without or ()), believe=believe
    )
    if not plan:
        write(witness, found, planned, stand_ins(repositories, environment))
    newest = witness.current()
    document = {"environment": environment, "witness": witness.url, "written": not plan and bool(planned.missing)}
    document |= {"number": newest.number if newest is not None else 0, **_document(planned, found)}
    sys.stdout.write(json_.dumps(document) + "\n" if json else _told(document, environment, plan=plan))


def _document(planned: Rebuilt, found: Survey) -> dict[str, Any]:
    told: dict[int, list[str]] = {}
    for number, repository in planned.told_by:
        told.setdefault(number, []).append(repository)
    rows = [{**_row(each), "told_by": told.get(each.number, [])} for each in planned.missing]
    return {"missing": rows, "filled": list(planned.filled), "unread": dict(found.unread)}


def _row(each: Assignment) -> dict[str, Any]:
    alone = next((consent.by for consent in each.consents if consent.kind == "without-witness"), None)
    made = any(part.term == each.number for part in each.workloads.values())
    return {
        "without_witness": alone, "burnt": each.cause == "repair" and not made,
        "number": each.number, "cause": each.cause, "operation": each.operation,
        "writers": {name: part.writer for name, part in sorted(each.workloads.items())},
        "terms": {name: part.term for name, part in sorted(each.workloads.items())},
        "consents": [{"kind": c.kind, "value": c.value, "reason": c.reason, "by": c.by} for c in each.consents],
    }  # fmt: skip


def _cause(row: dict[str, Any]) -> str:
    """Why it was made, and where it was put back: who made it while the witness was away, or that nothing was made by it."""
    if row["without_witness"] is not None:
        return f"{row['cause']} (without the witness, {row['without_witness']})"
    return f"{row['cause']} (burnt)" if row["burnt"] else str(row["cause"])


def _line(row: dict[str, Any], cause: str | None = None) -> str:
    writers = ", ".join(f"{name}: {site} (term {row['terms'][name]})" for name, site in row["writers"].items())
    return f"{row['number']:>4}  {cause or row['cause']:<8} {writers or 'nobody writes'}"


def _told(document: dict[str, Any], environment: str, *, plan: bool) -> str:
    if not document["missing"]:
        return f"witness {document['witness']} has all that the repositories know (assignment {document['number']}).\n"
    lines = [f"witness {document['witness']} {'lacks' if plan else 'lacked'}:"]
    for row in document["missing"]:
        copies = f"from {', '.join(row['told_by'])}" if row["told_by"] else "no copy: what stood before it"
        last = row is document["missing"][-1]
        lines.append(f"{_line(row)}  ({'burnt, for one that reached no repository' if last else copies})")
    lines += [f"left out: {name}: {why}" for name, why in document["unread"].items()]
    lines.append(_LOST + ".")
    lines.append(
        "Nothing was written: --plan."
        if plan
        else f"Written. Next: drstack up {environment} --refresh, which publishes the sites anew."
    )
    return "\n".join(lines) + "\n"
