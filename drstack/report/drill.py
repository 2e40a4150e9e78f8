"""A drill's after-action report as Markdown, from its document."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from drstack.spec.quantities import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

Doc = dict[str, Any]


def markdown(drill: Mapping[str, Any]) -> str:
    """The whole report; as docs/operations/drills.md shows it."""
    if drill["kind"] == "tabletop":
        return _tabletop(drill)
    parts = [_head(drill), _objectives(drill), _findings(drill), _steps(drill), _phases(drill), _rest(drill)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(drill: Mapping[str, Any]) -> str:
    lost = f"{drill['lost']} was played lost; {', '.join(drill['workloads'])} came back at {drill['site']}, apart."
    rows = [
        f"# Drill {drill['id']} of {drill['environment']}: {drill['result']}", "",
        f"{lost}{' ' + drill['why'] if drill['why'] else ''}", "",
        f"Kind: {_kind(drill)}. By {drill['by']} on {drill['host']}, {_at(drill['began_at'])} to {_at(drill['ended_at'])}.",
    ]  # fmt: skip
    if drill.get("seed"):
        rows.append(f"Drawn with seed `{drill['seed']}` within {drill['window_s']:g} s.")
    if drill.get("decided_s") is not None:
        rows.append(f"The operator decided after {drill['decided_s']:.1f} s, for {drill['decided']}.")
    return "\n".join(rows)


def _kind(drill: Mapping[str, Any]) -> str:
    return (
        f"{drill['kind']}, {drill['component']} only"
        if drill.get("component") not in (None, drill["kind"])
        else drill["kind"]
    )


def _objectives(drill: Mapping[str, Any]) -> str:
    if not drill["objectives"]:
        return ""
    rows = [
        "## Objectives",
        "",
        "| workload | step | RPO | objective | RTO | objective | losses |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in drill["objectives"]:
        rto = "**not reached**" if each["started"] else "not practised"
        if each["rto_s"] is not None:
            rto = f"{each['rto_s']:.1f} s{_met(each['rto_met'])}"
        goals = {name: format_duration(each[f"{name}_objective_s"]) for name in ("rpo", "rto")}
        rows.append(
            f"| {each['workload']} | {each['step']} | {each['rpo_s']:.1f} s{_met(each['rpo_met'])} | "
            f"{goals['rpo']} | {rto} | {goals['rto']} | {_cell(each['losses'] or '-')} |"
        )
    return "\n".join(rows)


def _met(met: bool) -> str:  # noqa: FBT001 - one word from another
    return ", met" if met else ", **missed**"


def _findings(drill: Mapping[str, Any]) -> str:
    if not drill["findings"]:
        return "## Findings\n\nNone."
    return "\n".join(["## Findings", "", *(f"- {each['what']}\n  - {each['remedy']}" for each in drill["findings"])])


def _steps(drill: Mapping[str, Any]) -> str:
    if not drill["steps"]:
        return ""
    rows = ["## Steps against the plan", "", "| step | estimate | took | |", "|---|---|---|---|"]
    for each in drill["steps"]:
        note = "slow" if each["slow"] else _cell(each["failure"] or "")
        rows.append(f"| {each['id']} | {_seconds(each['estimate_s'])} | {_seconds(each['took_s'])} | {note} |")
    if drill["estimate_operations"]:
        rows += [
            "",
            f"Estimates are medians of {drill['estimate_operations']} past operations; all: {drill['estimate_s']:.1f} s.",
        ]
    else:
        rows += ["", "No operation was timed before, so that nothing was estimated."]
    return "\n".join(rows)


def _phases(drill: Mapping[str, Any]) -> str:
    if not drill["phases"]:
        return ""
    rows = ["## Phases", "", "| phase | seconds |", "|---|---|"]
    return "\n".join([*rows, *(f"| {each['name']} | {each['seconds']:.2f} |" for each in drill["phases"])])


def _rest(drill: Mapping[str, Any]) -> str:
    rows = ["## How it was held", ""]
    if drill["plan"]:
        rows.append(f"- The real plan at that moment: `{drill['plan']}`.")
    if drill["prepared_s"] is not None:
        rows.append(f"- Preparing the drill's environment took {drill['prepared_s']:.1f} s, which no objective counts.")
    if drill["confined"] is not None:
        held = (
            "The kernel kept it from writing elsewhere."
            if drill["confined"]
            else "Nothing but its own definition kept it apart."
        )
        rows.append(f"- {held}")
    rows += [f"- Not practised: {name}: {why}." for name, why in drill["left_out"].items()]
    rows += [f"- Left behind: {each}." for each in drill["not_cleaned_up"]]
    return "\n".join(rows) if rows[2:] else ""


def _tabletop(drill: Mapping[str, Any]) -> str:
    rows = [
        f"# Tabletop {drill['id']} of {drill['environment']}: {drill['result']}", "",
        f"{drill['lost']} was supposed lost; the plan brings {', '.join(drill['workloads'])} back at {drill['site']}.",
        "Nothing was touched.", "",
        f"By {drill['by']} on {drill['host']}, {_at(drill['began_at'])} to {_at(drill['ended_at'])}.",
        f"The real plan at that moment: `{drill['plan']}`.", "", "| asked | answer | after |", "|---|---|---|",
    ]  # fmt: skip
    rows += [
        f"| {_cell(each['question'])} | {_cell(each['answer'] or '(none)')} | {each['took_s']:.0f} s |"
        for each in drill["answers"]
    ]
    return "\n".join(rows) + "\n"


def _at(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
