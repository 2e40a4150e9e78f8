"""The report of an environment: all its operations beside their objectives, and the trends. Pure."""

from __future__ import annotations

from typing import Any

from drstack.report.blocks import (
    Attention,
    Block,
    Heading,
    Line,
    Listing,
    Mark,
    Mono,
    Page,
    Paragraph,
    Picture,
    Table,
    Tiles,
)
from drstack.report.durations import spoken
from drstack.report.operation import moment, named, stands
from drstack.report.trend import trend
from drstack.spec.quantities import format_duration

Doc = dict[str, Any]


def environment_page(told: Doc, *, made_at: float) -> Page:
    """`told`: the document of `drstack report --json`."""
    name, operations, trends = told["environment"], told["operations"], told["trends"]
    eyebrow = f"Recovery report · {name} · {moment(made_at)}"
    if not operations:
        return Page(f"{name} has had no operation yet", eyebrow, ())
    in_full = f"drstack report {name} --operation {operations[-1]['operation']}"
    pictures = (
        trend(operations, "rto_s", "Time until the work was back"),
        trend(operations, "rpo_s", "Work that was lost"),
    )
    blocks: list[Block] = [
        Attention(tuple(_warnings(told))),
        Tiles(tuple(_tiles(trends))),
        *_drawn(pictures),
        Heading("Operations"),
        _operations(operations),
        Heading("Trends"),
        _trends(trends),
        *_went_into(trends),
        Paragraph(("One operation in full: ", Mono(in_full)), soft=True),
    ]
    return Page(f"{name}: {_verdict(trends)}", eyebrow, tuple(blocks))


def _verdict(trends: Doc) -> str:
    count = sum(trends["operations"].values())
    begun = f"{count} operation{'' if count == 1 else 's'}"
    each = [
        f"{kind['met']} of {kind['recoveries']} by {named(name).lower()}"
        for name, kind in trends["kinds"].items()
        if kind["recoveries"]
    ]
    return f"{begun}; within objectives: {', '.join(each)}" if each else f"{begun}, and none brought work back"


def _warnings(told: Doc) -> list[Line]:
    operations, last = told["operations"], told["operations"][-1]
    found: list[Line] = [
        f"Operation {each['operation']} has not ended." for each in operations if each["result"] == "unfinished"
    ]
    found += [
        f"Operation {each['operation']} went on without approvals, by {each['by']} ({each['reason']}); not signed off."
        for each in told.get("break_glass", ())
        if not each["signed_off"]
    ]
    missed = [one["workload"] for one in last["workloads"] if one["met"] is False]
    if missed:
        found.append(f"The last operation, {last['operation']}, missed the objectives of {', '.join(missed)}.")
    return found


def _tiles(trends: Doc) -> list[tuple[str, str, Line]]:
    found: list[tuple[str, str, Line]] = []
    if trends["recoveries"]:
        good, of = trends["met"] == trends["recoveries"], f"{trends['met']} of {trends['recoveries']}"
        unknown = f"; {trends['unknown']} not known" if trends["unknown"] else ""
        found.append(("Promotions within objectives", of, Mark("all" if good else f"not all{unknown}", good)))
    for name, title in (("rto_s", "Median time until the work was back"), ("rpo_s", "Median of work lost")):
        told = trends[name]
        bound = trends[name.replace("_s", "_is_bound")]
        if told["median"] is not None:
            beside = f"of promotions; worst {spoken(told['worst'])}{_change(told)}"
            most = (", at most" if name == "rpo_s" else ", at least") if bound else ""
            found.append((title + most, spoken(told["median"]), beside))
    if trends["side_by_side"] is not None:
        beside = f"median; {trends['waiting_share']:.0%} of the time was waiting"
        found.append(("Steps side by side", f"{trends['side_by_side']:.2f}", beside))
    if trends["assumed_fences"]:
        beside = Mark("nothing confirmed that the old site had stopped", good=False)
        found.append(("Fences assumed, not proven", str(trends["assumed_fences"]), beside))
    return found


def _change(told: Doc) -> str:
    return "" if told["change"] is None else f"; of late {told['change']:.2f} times what it was"


def _drawn(pictures: tuple[Picture | None, ...]) -> list[Block]:
    drawn: list[Block] = [each for each in pictures if each is not None]
    note = "Dashes are objectives; a dot with a rim missed its own. Promotions red, switchovers blue, failbacks green."
    return [*drawn, Paragraph(note, soft=True)] if drawn else []


def _operations(operations: list[Doc]) -> Table:
    rows = tuple(
        (
            Mono(each["operation"]),
            moment(each["began_at"]),
            named(each["kind"]),
            each["target"],
            Mark(each["result"], each["went_well"]),
            _achieved(each),
            _fences(each),
            str(sum(each["failures"].values()) or ""),
            each["by"],
            each["why"],
        )
        for each in reversed(operations)
    )
    head = (
        "Operation",
        "Began",
        "Kind",
        "To",
        "Result",
        "Workload: lost, back after (objectives)",
        "Fences",
        "Failures",
        "By",
        "Why",
    )
    return Table(head, rows, (7,))


def _achieved(each: Doc) -> Line:
    pieces: list[Any] = []
    for one in each["workloads"]:
        text = f"{one['workload']}: "
        if one["verdict"] is None:
            pieces += [f"{text}{stands(each)}. "]
            continue
        lost = f"{'at most ' if one['rpo_is_bound'] else ''}{spoken(one['rpo_s'])}"
        back = f"{'at least ' if one['rto_is_bound'] else ''}{spoken(one['rto_s'])}"
        known = "" if one["verdict"] != "unknown" else " (not known to be met)"
        goals = f"RPO {format_duration(one['rpo_objective_s'])}, RTO {format_duration(one['rto_objective_s'])}"
        pieces += [text, Mark(f"lost {lost}, back after {back} ({goals}){known}", good=one["verdict"] == "met"), ". "]
    return tuple(pieces)


def _fences(each: Doc) -> str:
    before = {site: f" ({grade} at first)" for site, grade in each["improved"].items()}
    return ", ".join(f"{site} {grade}{before.get(site, '')}" for site, grade in each["fences"].items())


def _trends(trends: Doc) -> Table:
    def row(kind: str, told: Doc) -> tuple[Line, ...]:
        return (
            named(kind), f"{told['met']} of {told['recoveries']}", *_figures(told["rpo_s"]), *_figures(told["rto_s"]),
            slowest(told["slowest_phase"]),
        )  # fmt: skip

    lost, back = ("Lost: last", "median", "worst", "of late"), ("Back: last", "median", "worst", "of late")
    head = ("Kind", "Within objectives", *lost, *back, "Most of it")
    return Table(head, tuple(row(kind, told) for kind, told in trends["kinds"].items()), tuple(range(2, 10)))


def slowest(phase: Doc | None) -> str:
    """The steps that the slowest phase is made of, by its name only where it has none; nothing where nothing was timed."""
    if phase is None:
        return ""
    steps = phase["steps"][:3]
    return f"{', '.join(steps) or phase['name']} ({spoken(phase['median_s'])})"


def _figures(told: Doc) -> tuple[str, ...]:
    named_ones = [spoken(told[name]) if told[name] is not None else "" for name in ("last", "median", "worst")]
    return (*named_ones, f"{told['change']:.2f} times" if told["change"] is not None else "")


def _went_into(trends: Doc) -> list[Block]:
    blocks: list[Block] = []
    if trends["waited"]:
        items = tuple(f"{what}: {spoken(seconds)}" for what, seconds in trends["waited"].items())
        blocks += [Heading("What was waited for, in all"), Listing(items)]
    if trends["failures"]:
        items = tuple(f"{step}: {count:g}" for step, count in trends["failures"].items())
        blocks += [Heading("Steps that failed, and how often"), Listing(items)]
    return blocks
