"""An operation's steps in time, one bar for each try, as SVG and in letters. Pure; from the document of one operation."""

from __future__ import annotations

from html import escape
from typing import Any

from drstack.report.blocks import Picture
from drstack.report.durations import spoken

Doc = dict[str, Any]
_LEFT, _WIDTH, _ROW, _TOP, _RIGHT = 220, 700, 24, 34, 90
_COLOURS = {"done": "#2f6690", "failed": "#b3141f", "skipped": "#8a97a3", "cut short": "#b86a00", "open": "#b86a00"}
_LETTERS = {"done": "█", "failed": "x", "skipped": "-", "cut short": "~", "open": "?"}
_MEANS = {
    "done": "done", "failed": "failed", "skipped": "left out", "cut short": "begun, its end taken over by another try",
    "open": "begun, and not ended",
}  # fmt: skip
_COLUMNS = 60
_TICKS = 5


def timeline(told: Doc) -> Picture | None:
    """None where nothing was begun. A thin line above a bar is how long the step was estimated to take."""
    rows = [step for step in told["steps"] if step["attempts"]]
    if not rows:
        return None
    zero = float(told["began_at"])
    length = max(_end(each, told) for step in rows for each in step["attempts"]) - zero
    length = max(length, 0.001)
    return Picture(_svg(rows, told, zero, length), _alt(rows, length), _text(rows, told, zero, length))


def _end(attempt: Doc, told: Doc) -> float:
    """Where nobody recorded an end, as long as the operation went on."""
    if attempt["ended_at"] is not None:
        return float(attempt["ended_at"])
    known = [a["ended_at"] or a["began_at"] for step in told["steps"] for a in step["attempts"]]
    return max(float(attempt["began_at"]), *known)


def _svg(rows: list[Doc], told: Doc, zero: float, length: float) -> str:
    height = _TOP + _ROW * len(rows) + 10
    critical = {each["step"] for each in told["critical"]}

    def x(at: float) -> float:
        return round(_LEFT + _WIDTH * (at - zero) / length, 2)

    parts = [
        f'<svg viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" font-family="sans-serif" font-size="12" fill="#16202b">'
    ]
    for n in range(_TICKS + 1):
        at = zero + length * n / _TICKS
        parts.append(f'<path d="M{x(at)} {_TOP - 6}V{height - 8}" stroke="#d5dce3"/>')
        parts.append(f'<text x="{x(at)}" y="{_TOP - 14}" text-anchor="middle">{escape(spoken(at - zero))}</text>')
    for n, step in enumerate(rows):
        y = _TOP + n * _ROW
        weight = ' font-weight="bold"' if step["id"] in critical else ""
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end"{weight}>{escape(_short(step["id"]))}</text>'
        )
        parts += [_bar(step, each, x(each["began_at"]), x(_end(each, told)), y) for each in step["attempts"]]
        last = step["attempts"][-1]
        if step["estimate_s"] is not None:
            end = min(x(last["began_at"] + step["estimate_s"]), _LEFT + _WIDTH + _RIGHT - 4)
            parts.append(f'<path d="M{x(last["began_at"])} {y + 2}H{end}V{y + 5}" stroke="#16202b" fill="none"/>')
        if step["seconds"] is not None:
            took = escape(spoken(step["seconds"]))
            parts.append(f'<text x="{x(_end(last, told)) + 5}" y="{y + 15}" fill="#526170">{took}</text>')
    return "".join(parts) + "</svg>\n"


def _bar(step: Doc, attempt: Doc, begin: float, end: float, y: int) -> str:
    colour, ended = _COLOURS[attempt["how"]], attempt["ended_at"] is not None
    look = f'fill="{colour}"' if ended else f'fill="none" stroke="{colour}" stroke-dasharray="4 3"'
    said = f"{step['id']}: {attempt['how']}" + (f" ({attempt['why']})" if attempt["why"] else "")
    return (
        f'<rect x="{begin}" y="{y + 5}" width="{max(end - begin, 1.5):.2f}" height="13" rx="2" {look}>'
        f"<title>{escape(said)}</title></rect>"
    )


def _alt(rows: list[Doc], length: float) -> str:
    failed = sum(each["how"] == "failed" for step in rows for each in step["attempts"])
    told = ", ".join(f"{s['id']} {spoken(s['seconds'])}" for s in rows if s["seconds"] is not None)
    return f"Timeline of {len(rows)} steps over {spoken(length)}; tries that failed: {failed}. {told}."


def _text(rows: list[Doc], told: Doc, zero: float, length: float) -> str:
    wide = max(len(_short(step["id"])) for step in rows)
    lines = [f"{'':<{wide}}  0{spoken(length):>{_COLUMNS - 1}}"]
    for step in rows:
        cells = [" "] * _COLUMNS
        for each in step["attempts"]:
            first = min(int((each["began_at"] - zero) / length * _COLUMNS), _COLUMNS - 1)
            last = min(int((_end(each, told) - zero) / length * _COLUMNS), _COLUMNS - 1)
            cells[first : last + 1] = _LETTERS[each["how"]] * (last + 1 - first)
        took = spoken(step["seconds"]) if step["seconds"] is not None else step["state"]
        lines.append(f"{_short(step['id']):<{wide}}  {''.join(cells)}  {took}")
    hows = {each["how"] for step in rows for each in step["attempts"]}
    used = [f"{_LETTERS[how]} {what}" for how, what in _MEANS.items() if how in hows]
    return "\n".join([*lines, f"{'':<{wide}}  {'  '.join(used)}"])


def _short(name: str, most: int = 32) -> str:
    flat = "".join(c if c.isprintable() else " " for c in name)
    return flat if len(flat) <= most else flat[: most - 1] + "…"
