"""The report as Markdown: tables, and for each thing that is demanded whether it was reached."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.spread import Spread


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`seen` beside what is `demanded`. `why` says what stands in the way where it is not reached."""

    demanded: str
    seen: str
    reached: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    conditions: str
    tables: tuple[Table, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = field(default=())


def read_section(text: str) -> Section:
    """One that was kept as JSON."""
    told = json.loads(text)
    tables = tuple(
        Table(tuple(each["columns"]), tuple(tuple(row) for row in each["rows"]), each["title"])
        for each in told["tables"]
    )
    verdicts = tuple(Verdict(**each) for each in told["verdicts"])
    return Section(told["heading"], told["conditions"], tables, verdicts, tuple(told["notes"]))


def ratio(value: Spread) -> str:
    return f"{value.median:.2f} ({value.low:.2f} to {value.high:.2f})"


def seconds(value: Spread) -> str:
    return f"{value.median:.2f} s ({value.low:.2f} to {value.high:.2f})"


def mebibytes(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:,.1f} MiB"


def render(sections: Sequence[Section], facts: Sequence[tuple[str, str]]) -> str:
    """The whole page. `facts`: of the machine and the versions, in order."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; every figure is of whole processes, from start to exit. A figure is the median, with",
        "minimum and maximum behind it. Ratios are taken within a round, in which every program runs once in turn.",
        "",
        *_table(Table(("", ""), tuple(facts))),
        "",
        "## What must be reached",
        "",
        *_table(_verdicts(sections)),
    ]
    for section in sections:
        lines += ["", f"## {section.heading}", "", section.conditions]
        for table in section.tables:
            lines += ["", *([f"### {table.title}", ""] if table.title else []), *_table(table)]
        for note in section.notes:
            lines += ["", note]
    return "\n".join(lines) + "\n"


def _verdicts(sections: Sequence[Section]) -> Table:
    rows = [
        (each.demanded, each.seen, "reached" if each.reached else f"NOT reached: {each.why}".rstrip(": "))
        for section in sections
        for each in section.verdicts
    ]
    return Table(("demanded", "measured", "state"), tuple(rows))


def _table(table: Table) -> list[str]:
    width = len(table.columns)
    for row in table.rows:
        if len(row) != width:
            raise ValueError(f"a row has {len(row)} cells, not {width}: {row}")
    return [
        _row(table.columns),
        _row(tuple("---" for _ in table.columns)),
        *(_row(row) for row in table.rows),
    ]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
