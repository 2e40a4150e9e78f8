"""The report as one HTML page without outside resources; the picture lies beside it.

Every value goes through the template's escaping: names and proofs come from configuration and platforms.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from drstack.report.durations import spoken
from drstack.report.record_json import record_json
from drstack.report.shell import FOOT, head
from drstack.report.size import HEIGHT_PX, WIDTH_PX
from drstack.report.verdict import alt_text, verdict, warnings

if TYPE_CHECKING:
    from drstack.report.record import RecoveryRecord


def page(record: RecoveryRecord, *, picture: str) -> str:
    """The page's HTML. `picture` is the relative address of the timeline."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    jinja = Environment(
        loader=PackageLoader("drstack.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    jinja.filters["spoken"] = spoken
    jinja.filters["moment"] = _moment
    jinja.filters["since"] = partial(_since, record.failure.at)
    return jinja.get_template("page.html.j2").render(
        record=record, verdict=verdict(record), warnings=warnings(record), picture=picture, alt=alt_text(record),
        width=WIDTH_PX, height=HEIGHT_PX, head=head(f"Recovery of {record.workload} in {record.environment}"), foot=FOOT,
        document=json.dumps(json.loads(record_json(record))["document"], indent=2, ensure_ascii=False),
    )  # fmt: skip


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _since(zero: float, at: float) -> str:
    return f"{'-' if at < zero else '+'}{spoken(abs(at - zero))}"
