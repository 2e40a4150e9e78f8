"""pytest plugin: how many fault cases ran, of how many there are at length, from which seeds; and what was found.

A test marked `faults(family, share, whole)` runs `share` cases in CI and `whole` with DRSTACK_SOAK=1; the fixture
`cases` says which, and is told what ran. DRSTACK_SEED=n runs the case of that seed alone. `--faults a,b` takes the tests
of those families. At length, what passed is noted for the state of the checkout, and `--go-on` does not run it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = "faults"
_RECORD = "drstack-cases"
_NOTES = Path(__file__).parents[1] / ".drstack" / "soak"


def at_length() -> bool:
    return os.environ.get("DRSTACK_SOAK") == "1"


def only_seed() -> int | None:
    """The seed that alone is wanted."""
    said = os.environ.get("DRSTACK_SEED")
    return int(said) if said else None


def chosen(share: int, whole: int) -> list[int]:
    """Seeds of the cases to run now."""
    only = only_seed()
    return [only] if only is not None else list(range(whole if at_length() else share))


class Cases:
    """What one test runs of its family. The record is changed in place, so that a failing test's report has it too."""

    def __init__(self, family: str, whole: int, node: pytest.Item, share: int) -> None:
        self._chosen = chosen(share, whole)
        self._record: dict[str, Any] = {"family": family, "whole": whole, "ran": 0, "seeds": [], "facts": []}
        node.user_properties.append((_RECORD, self._record))

    def seeds(self) -> Iterator[int]:
        """Seed after seed; the last one given is the one that fails, if any does."""
        for seed in self._chosen:
            self.one(seed)
            yield seed

    def one(self, seed: int) -> None:
        """The case of this seed begins."""
        self.ran(1, seed, seed)

    def ran(self, count: int, first: int | None = None, last: int | None = None) -> None:
        """So many cases, from seeds `first` to `last` where they have any."""
        self._record["ran"] += count
        if first is None or last is None:
            return
        spans = self._record["seeds"]
        if spans and spans[-1][1] + 1 == first:
            spans[-1][1] = last
        else:
            spans.append([first, last])

    def found(self, fact: str) -> None:
        """A figure for the report."""
        self._record["facts"].append(fact)


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> Cases:
    mark = request.node.get_closest_marker(MARK)
    if mark is None:
        raise pytest.UsageError(f"{request.node.nodeid} takes `cases` and has no mark `{MARK}(family, share, whole)`")
    family, share, whole = mark.args
    return Cases(family, whole, request.node, share)


@dataclass(slots=True)
class Tally:
    """One family, over its tests."""

    ran: int = 0
    seconds: float = 0.0
    whole: dict[str, int] = field(default_factory=dict[str, int])
    """By test function: its parameters share one."""
    spans: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    facts: list[str] = field(default_factory=list[str])
    failed: list[str] = field(default_factory=list[str])

    def line(self, family: str) -> str:
        seeds = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in joined(self.spans))
        said = f"{family:18} {self.ran:6} of {sum(self.whole.values()):6}  {self.seconds:7.1f} s"
        return f"{said}  seeds {seeds}" if seeds else said


def joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that touch or overlap made one."""
    made: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(last, made[-1][1]))
        else:
            made.append((first, last))
    return made


class _Listing:
    """Hears of every report, also of those that come from workers (pytest-xdist)."""

    def __init__(self, notes: Path | None) -> None:
        self.tallies: dict[str, Tally] = {}
        self._notes = notes

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        record = next((value for name, value in report.user_properties if name == _RECORD), None)
        if report.when != "call" or record is None:
            return
        told = cast("dict[str, Any]", record)
        tally = self.tallies.setdefault(str(told["family"]), Tally())
        tally.ran += int(told["ran"])
        tally.seconds += report.duration
        tally.whole[report.nodeid.partition("[")[0]] = int(told["whole"])
        tally.spans += [(first, last) for first, last in told["seeds"]]
        tally.facts += told["facts"]
        if report.failed:
            seed = f"DRSTACK_SEED={told['seeds'][-1][1]} " if told["seeds"] else ""
            length = "DRSTACK_SOAK=1 " if at_length() else ""
            tally.failed.append(f"{length}{seed}python -m pytest '{report.nodeid}'")
        elif report.passed and self._notes is not None:
            self._notes.parent.mkdir(parents=True, exist_ok=True)
            with self._notes.open("a") as file:
                file.write(json.dumps({"test": report.nodeid, "seconds": round(report.duration, 1), **told}) + "\n")


_LISTING: pytest.StashKey[_Listing] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("drstack")
    group.addoption("--faults", default="", help="families of faults, with commas: their tests alone")
    group.addoption(
        "--go-on", action="store_true", help="at length: leave out what passed for this state of the checkout"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(family, share, whole): cases in CI and at length (tools/cases.py)")
    worker = hasattr(config, "workerinput")
    whole = at_length() and only_seed() is None
    config.stash[_LISTING] = _Listing(notes_of_this_state() if whole and not worker else None)
    if not worker:
        config.pluginmanager.register(config.stash[_LISTING], "drstack-cases-listing")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = {each for each in config.getoption("--faults").split(",") if each}
    passed = passed_before(notes_of_this_state()) if at_length() and config.getoption("--go-on") else set[str]()

    def stays(item: pytest.Item) -> bool:
        mark = item.get_closest_marker(MARK)
        return item.nodeid not in passed and (not wanted or (mark is not None and mark.args[0] in wanted))

    gone = [item for item in items if not stays(item)]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if stays(item)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tallies = config.stash[_LISTING].tallies
    if not tallies:
        return
    terminalreporter.section("FAULTS: cases that ran, of how many at length, and their seeds")
    for family, tally in sorted(tallies.items()):
        terminalreporter.write_line(tally.line(family))
        for fact in tally.facts:
            terminalreporter.write_line(f"{'':18} {fact}")
        for command in tally.failed:
            terminalreporter.write_line(f"{'':18} FAILED; it alone: {command}")


def passed_before(notes: Path) -> set[str]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return {str(json.loads(line)["test"]) for line in lines}


def notes_of_this_state() -> Path:
    """Where it is noted what passed at length, for the commit and what was changed since."""
    root = _NOTES.parents[1]
    told = b""
    for command in (["git", "rev-parse", "HEAD"], ["git", "diff", "HEAD"]):
        done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=30)
        told += done.stdout
    return _NOTES / f"{hashlib.blake2b(told, digest_size=8).hexdigest()}.jsonl"
