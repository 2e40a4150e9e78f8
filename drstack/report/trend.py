"""What was lost and when the work was back, over all operations, as SVG: dots beside objectives, on a logarithmic scale."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from drstack.report.blocks import Picture
from drstack.report.durations import spoken

if TYPE_CHECKING:
    from collections.abc import Callable

Doc = dict[str, Any]
Row = tuple[Doc, Doc]
_LEFT, _WIDTH, _HEIGHT, _TOP, _BOTTOM = 80, 860, 220, 30, 40
_KINDS = {"promote": "#b3141f", "switchover": "#2f6690", "failback": "#0b6b4f", "drill": "#8a5a00"}
_OTHER, _LEAST = "#526170", 0.001
_FEW = 20


def trend(operations: list[Doc], name: Literal["rpo_s", "rto_s"], title: str) -> Picture | None:
    """One dot for each workload of each operation that has the value; None where there is none."""
    rows = [(each, one) for each in operations for one in each["workloads"] if one[name] is not None]
    if not rows:
        return None
    objective = name.replace("_s", "_objective_s")
    values = [value for _, one in rows for value in (one[name], one[objective]) if value is not None]
    low = math.floor(math.log10(max(min(values), _LEAST)))
    high = max(math.ceil(math.log10(max(*values, _LEAST))), low + 1)

    def y(seconds: float) -> float:
        return round(_TOP + _HEIGHT * (high - math.log10(max(seconds, 10**low))) / (high - low), 2)

    def x(n: int) -> float:
        return round(_LEFT + _WIDTH * (n + 0.5) / len(rows), 2)

    width, height = _LEFT + _WIDTH + 20, _TOP + _HEIGHT + _BOTTOM
    parts = [f'<svg viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" fill="#16202b">']
    parts.append(f'<text x="{_LEFT}" y="16" font-weight="bold">{escape(title)}</text>')
    for power in range(low, high + 1):
        parts.append(f'<path d="M{_LEFT} {y(10**power)}H{_LEFT + _WIDTH}" stroke="#d5dce3"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y(10**power) + 4}" text-anchor="end">{escape(spoken(10**power))}</text>'
        )
    for n, row in enumerate(rows):
        parts += _dot(row, name, objective, x(n), y, _WIDTH / len(rows), named=len(rows) <= _FEW)
    met = sum(bool(one["met"]) for _, one in rows)
    worst = spoken(max(one[name] for _, one in rows))
    alt = f"{title}: {len(rows)} values over {len(operations)} operations, {met} within both objectives; the worst {worst}."
    return Picture("".join(parts) + "</svg>\n", alt)


def _dot(
    row: Row, name: str, objective: str, x: float, y: Callable[[float], float], room: float, *, named: bool
) -> list[str]:
    operation, one = row
    goal = y(one[objective])
    half = min(room * 0.4, 30)
    what = f"{operation['operation']} {operation['kind']} {one['workload']}"
    said = escape(f"{what}: {spoken(one[name])}, objective {spoken(one[objective])}")
    rim = "" if one[name] <= one[objective] else ' stroke="#16202b" stroke-width="3"'
    fill = _KINDS.get(operation["kind"], _OTHER)
    parts = [
        f'<path d="M{x - half:.2f} {goal}h{2 * half:.2f}" stroke="#b86a00" stroke-dasharray="5 3"/>',
        f'<circle cx="{x}" cy="{y(one[name])}" r="6" fill="{fill}"{rim}><title>{said}</title></circle>',
    ]
    if named:
        parts.append(
            f'<text x="{x}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{escape(operation["operation"])}</text>'
        )
    return parts
