"""A plan as people read it: a tree for a terminal, Markdown for a runbook or a ticket, a graph as SVG. Pure.

All three take the document that `drstack promote --plan` prints.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any

from drstack.naming import in_place

Doc = dict[str, Any]
_BOX, _GAP, _ROW, _MARGIN = (178, 34), 46, 52, 16
_COLOURS = {"fence": "#b4472f", "seal": "#b4472f", "assign": "#8a5a00", "reconcile": "#5b6770"}
_PLAIN = "#2f6690"


def tree(plan: Doc) -> str:
    """What is lost and from where, then every step below the one that it waits for longest."""
    lines = [_title(plan), *(f"  {line}" for line in _before(plan))]
    if told := _consents(plan):
        lines.append(f"  consents: {told}")
    if total := _total(plan):
        lines.append(f"  {total}")
    depth = _depths(plan)
    for step in sorted(plan["steps"], key=lambda each: depth[each["id"]]):
        waits = f"  after {', '.join(step['after'])}" if len(step["after"]) > 1 else ""
        lines.append(f"{'  ' * depth[step['id']]}├── {step['id']}: {step['does']}{_seconds(plan, step)}{waits}")
    return "\n".join(lines) + "\n"


def markdown(plan: Doc) -> str:
    """Sections for what is lost, what has to be consented to, and the steps with what undoes each."""
    lines = [f"# {_title(plan)}", "", f"Plan `{plan['hash']}`, made on assignment {plan['base']}.", ""]
    lines += [f"- {line}" for line in _before(plan)]
    if told := _consents(plan):
        lines.append(f"- consents: {told}")
    if total := _total(plan):
        lines.append(f"- {total}")
    lines += ["", "| step | what it does | after | needs | ends within | undone by |", "|---|---|---|---|---|---|"]
    for step in plan["steps"]:
        cells = (
            step["id"], step["does"] + _seconds(plan, step), ", ".join(step["after"]) or "-", step["requires"] or "-",
            f"{step['timeout_s']:g} s", in_place(step["undone"], plan["environment"]) or "-",
        )  # fmt: skip
        lines.append("| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |")
    return "\n".join(lines) + "\n"


def graph(plan: Doc) -> str:
    """Columns of steps that may run side by side, from left to right; an arrow leads to what waits."""
    depth = _depths(plan)
    columns: dict[int, list[str]] = {}
    for step in plan["steps"]:
        columns.setdefault(depth[step["id"]], []).append(step["id"])
    (width, height), place = _BOX, dict[str, tuple[int, int]]()
    for column, names in columns.items():
        for row, name in enumerate(names):
            place[name] = (_MARGIN + column * (width + _GAP), _MARGIN + row * _ROW)
    right = max((x for x, _ in place.values()), default=0) + width + _MARGIN
    bottom = max((y for _, y in place.values()), default=0) + height + _MARGIN
    shown = _needed(plan)
    arrows = [_arrow(place[before], place[after]) for after, befores in shown.items() for before in befores]
    boxes = [_box(step, *place[step["id"]], critical=step["id"] in _critical(plan)) for step in plan["steps"]]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {bottom}" width="{right}" height="{bottom}" '
        f'font-family="sans-serif" font-size="12"><title>{escape(_title(plan))}</title>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#667"/></marker></defs>' + "".join([*arrows, *boxes]) + "</svg>\n"
    )


def _title(plan: Doc) -> str:
    if plan["kind"] == "fence":
        return f"Fence {plan['target']} of {plan['environment']}; stands still: {', '.join(plan['stops']) or 'nothing'}"
    alone = f" ({', '.join(each['name'] for each in plan['workloads'])} alone)" if plan["alone"] else ""
    what = "Switch over" if plan["kind"] == "switchover" else "Promote"
    return f"{what} {plan['environment']} to {plan['target']}{alone}"


def _before(plan: Doc) -> list[str]:
    """First what runs still: then nothing need be lost."""
    return [*plan.get("runs", ()), *_losses(plan), *_beside(plan)]


def _losses(plan: Doc) -> list[str]:
    return [
        f"{each['name']}: from step {each['step']} in {each['source']}, "
        f"at most {each['loss_s']:.1f} s of work lost; {each['why']}"
        + (f"; {_still(each)}" if each.get("still_since") else "")
        + (f"; out of reach: {', '.join(each['unreachable'])}" if each["unreachable"] else "")
        for each in plan["workloads"]
    ]


def _still(each: Doc) -> str:
    at = datetime.fromtimestamp(each["still_since"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"its work stands still since {at}, and loses nothing more"


def _beside(plan: Doc) -> list[str]:
    """What to know before it is begun."""
    return [f"{each}; this starts it all the same" for each in plan.get("fenced", ())] + list(plan.get("clocks", ()))


def _consents(plan: Doc) -> str:
    return ", ".join(f"{kind} {value}" for kind, value in plan["consents"])


def _total(plan: Doc) -> str:
    told = _estimate(plan)
    if not told.get("operations"):
        return ""
    lacking = f", without {', '.join(told['unknown'])}" if told["unknown"] else ""
    return f"about {told['total_s']:.1f} s by {told['operations']} past operations{lacking}"


def _estimate(plan: Doc) -> Doc:
    told: Doc | None = plan.get("estimate")
    return told or {}


def _seconds(plan: Doc, step: Doc) -> str:
    told = _estimate(plan).get("steps", {}).get(step["id"])
    return "" if told is None else f" (about {told:.1f} s)"


def _critical(plan: Doc) -> tuple[str, ...]:
    return tuple(_estimate(plan).get("critical", ()))


def _depths(plan: Doc) -> dict[str, int]:
    after = {step["id"]: step["after"] for step in plan["steps"]}
    found: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in found:
            found[name] = 1 + max((depth(each) for each in after[name]), default=-1)
        return found[name]

    for name in after:
        depth(name)
    return found


def _needed(plan: Doc) -> dict[str, list[str]]:
    """Per step those that it waits for, without those that another of them waits for too."""
    after: dict[str, set[str]] = {step["id"]: set(step["after"]) for step in plan["steps"]}
    reached: dict[str, set[str]] = {}

    def behind(name: str) -> set[str]:
        if name not in reached:
            reached[name] = after[name].union(*(behind(each) for each in after[name]))
        return reached[name]

    return {
        name: sorted(each for each in befores if not any(each in behind(other) for other in befores))
        for name, befores in after.items()
    }


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    (width, height), (x, y), (u, v) = _BOX, start, end
    a, b, c, d = x + width, y + height // 2, u, v + height // 2
    middle = (a + c) // 2
    return f'<path d="M{a} {b}C{middle} {b} {middle} {d} {c} {d}" fill="none" stroke="#667" marker-end="url(#tip)"/>'


def _box(step: Doc, x: int, y: int, *, critical: bool) -> str:
    width, height = _BOX
    colour = _COLOURS.get(step["act"], _PLAIN)
    rim = ' stroke="#111" stroke-width="3"' if critical else ""
    return (
        f'<g><title>{escape(step["does"])}</title><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" '
        f'fill="{colour}"{rim}/><text x="{x + width // 2}" y="{y + 21}" fill="#fff" text-anchor="middle">'
        f"{escape(_short(step['id']))}</text></g>"
    )


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
