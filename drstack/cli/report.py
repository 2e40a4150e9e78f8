"""`drstack report`: what past operations achieved, beside their objectives; and one of them in full."""

from __future__ import annotations

import json as json_
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.report.blocks import Page
    from drstack.witness.witness import Witness


class ReportForm(StrEnum):
    TEXT = "text"
    HTML = "html"
    MARKDOWN = "markdown"
    JSON = "json"


def report(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    operation: Annotated[
        str | None, typer.Option("--operation", metavar="ID", help="This operation in full: 3-1, or `last`.")
    ] = None,
    shown_as: Annotated[
        ReportForm | None, typer.Option("--as", help="The form; else by the ending of --out, else text.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there, not to stdout.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As --as json.")] = False,
) -> None:
    """List every operation with what was lost, when the work was back, whether objectives were met, and the trend."""
    from drstack.assembly import load, local_root, open_witness, project_root
    from drstack.cli.approve import world_of
    from drstack.cli.out import put, suffix_form
    from drstack.recovery.glass import broken
    from drstack.recovery.history import document, past_operations

    form = ReportForm.JSON if json else shown_as or ReportForm(suffix_form(out) or "text")
    declared = load(environment)
    witness = open_witness(declared, local_root(project_root()))
    if operation is not None:
        told = _one(environment, witness, operation)
        put(_shown(told, form, _operation_page), out)
        return
    told = document(environment, past_operations(witness))
    told["break_glass"] = broken(world_of(declared, None, None)) if witness.glass().broken() else []
    put(_render(told) if form is ReportForm.TEXT else _shown(told, form, _environment_page), out)


def _one(environment: str, witness: Witness, operation: str) -> dict[str, Any]:
    from drstack.recovery.dossier import dossier
    from drstack.recovery.estimate import estimate, past_durations
    from drstack.recovery.history import found, newest
    from drstack.recovery.steps import steps_of

    journal, past = found(witness, newest(witness) if operation == "last" else operation)
    known = past_durations(witness, before=past.began_at)
    guessed = estimate(steps_of(journal.plan() or {}) or (), *known)
    return dossier(environment, journal.identity, journal.records(), past.kind, guessed.steps)


def _operation_page(told: dict[str, Any]) -> Page:
    from drstack.report.operation import operation_page

    return operation_page(told)


def _environment_page(told: dict[str, Any]) -> Page:
    from drstack.report.environment import environment_page

    return environment_page(told, made_at=time.time())


def _shown(told: dict[str, Any], form: ReportForm, page: Callable[[dict[str, Any]], Page]) -> str:
    """Of one operation, text is Markdown."""
    from drstack.report.as_html import as_html
    from drstack.report.as_markdown import as_markdown

    if form is ReportForm.JSON:
        return json_.dumps(told) + "\n"
    return as_html(page(told)) if form is ReportForm.HTML else as_markdown(page(told))


def _render(told: dict[str, Any]) -> str:
    from drstack.cli.approve import broken_line
    from drstack.report.operation import named

    if not told["operations"]:
        return f"{told['environment']} has had no operation yet.\n"
    lines = [
        f"{'operation':<10} {'began (UTC)':<17} {'kind':<10} {'to':<10} {'result':<13} workload: lost (RPO), back (RTO)"
    ]
    for each in told["operations"]:
        lines.append(
            f"{each['operation']:<10} {_when(each['began_at']):<17} {each['kind']:<10} {each['target']:<10} "
            f"{each['result']:<13} "
            + ("; ".join(_workload(one, each) for one in each["workloads"]))
            + (f" ({each['why']})" if each["why"] else "")
        )
        lines += _allowed(each)
    trend = told["trends"]
    lines += ["", *(_kind(kind, each) for kind, each in trend["kinds"].items() if each["recoveries"])]
    left = ", ".join(_several(count, named(kind).lower()) for kind, count in trend["not_counted"].items())
    lines += [f"Not counted, for nothing came of them that has an objective: {left}."] if left else []
    if trend["assumed_fences"]:
        lines.append(f"{_fences(trend['assumed_fences'])} assumed, not proven.")
    if trend["improved_fences"]:
        lines.append(f"{_fences(trend['improved_fences'])} not proven at first, and proven later.")
    lines += [broken_line(each) for each in told["break_glass"]]
    return "\n".join(lines) + "\n"


def _allowed(each: dict[str, Any]) -> list[str]:
    """What was consented to and by whose approval, below an operation."""
    consents = ", ".join(f"{kind} {value}" for kind, value in each["consents"])
    lines = [f"{'':<10} consented to: {consents} ({each['reason']})"] if consents else []
    return [*lines, f"{'':<10} approved by {', '.join(each['approved_by'])}"] if each["approved_by"] else lines


def _when(at: float) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M")


def _workload(one: dict[str, Any], each: dict[str, Any]) -> str:
    """What was lost and when it was back, each beside its objective."""
    from drstack.recovery.objectives import lost
    from drstack.recovery.status import spell
    from drstack.report.operation import stands
    from drstack.spec import format_duration

    if one["verdict"] is None:
        return f"{one['workload']}: {stands(each)}"
    known = {"met": "", "missed": ", MISSED", "unknown": ", not known to be met"}
    rpo = known[lost(one["rpo_s"], one["rpo_objective_s"], is_bound=one["rpo_is_bound"])]
    rto = known["missed" if one["rto_s"] > one["rto_objective_s"] else "met"]
    away = "stood still" if each["kind"] in ("switchover", "failback") else "back after"
    return (
        f"{one['workload']}: lost {'at most ' if one['rpo_is_bound'] else ''}{spell(one['rpo_s'])} "
        f"(RPO {format_duration(one['rpo_objective_s'])}{rpo}), "
        f"{away} {'at least ' if one['rto_is_bound'] else ''}{spell(one['rto_s'])} "
        f"(RTO {format_duration(one['rto_objective_s'])}{rto})"
    )


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "es" if what.endswith("ch") else "s")


def _fences(count: int) -> str:
    return f"{_several(count, 'fence')} {'was' if count == 1 else 'were'}"


def _kind(kind: str, told: dict[str, Any]) -> str:
    """What the recoveries of one kind came to."""
    from drstack.report.environment import slowest
    from drstack.report.operation import named

    unknown = f" ({told['unknown']} not known)" if told["unknown"] else ""
    whose = "its" if told["recoveries"] == 1 else "their"
    back = "stood still for" if kind in ("switchover", "failback") else "back after"
    lost, away = "at most " if told["rpo_is_bound"] else "", "at least " if told["rto_is_bound"] else ""
    return (
        f"{named(kind)}: {told['met']} of {told['recoveries']} met {whose} objectives{unknown}; "
        f"lost {lost}{_trend(told['rpo_s'])}; {back} {away}{_trend(told['rto_s'])}; "
        f"most of it: {slowest(told['slowest_phase'])}"
    )


def _trend(trend: dict[str, Any]) -> str:
    from drstack.recovery.status import spell

    change = f", recently {trend['change']:.2f} times that" if trend["change"] is not None else ""
    return f"{spell(trend['median'])} (median; worst {spell(trend['worst'])}{change})"
