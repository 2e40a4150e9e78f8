"""pytest plugin: what could not be had on this machine is listed as NOT RUN, and fails a run in CI.

A test that lacks something calls `not_run(reason)`. With DRSTACK_CI=1 only tests that are marked with one of
`EXCUSED` may do so. An ordinary skip, such as of a test for another operating system, is not listed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

PREFIX = "NOT RUN: "
EXCUSED = ("needs_gpu", "needs_cloud_account")


@dataclass(frozen=True, slots=True)
class NotRun:
    test: str
    reason: str
    excused: bool


LISTED: pytest.StashKey[list[NotRun]] = pytest.StashKey()


def not_run(reason: str) -> NoReturn:
    """Skip this test, fixture or module because something it needs cannot be had here."""
    pytest.skip(PREFIX + reason, allow_module_level=True)


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return None
    message = str(report.longrepr[2]).removeprefix("Skipped: ")
    return message.removeprefix(PREFIX) if message.startswith(PREFIX) else None


def in_ci() -> bool:
    return os.environ.get("DRSTACK_CI") == "1"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LISTED] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (reason := reason_of(report)) is not None:
        excused = any(item.get_closest_marker(name) is not None for name in EXCUSED)
        item.config.stash[LISTED].append(NotRun(item.nodeid, reason, excused))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if (reason := reason_of(report)) is not None:
        collector.config.stash[LISTED].append(NotRun(collector.nodeid, reason, excused=False))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    passed = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if in_ci() and passed and any(not entry.excused for entry in session.config.stash[LISTED]):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    entries = config.stash[LISTED]
    if not entries:
        return
    terminalreporter.section("NOT RUN")
    for entry in entries:
        verdict = " (fails this run: DRSTACK_CI=1)" if in_ci() and not entry.excused else ""
        terminalreporter.write_line(f"{entry.test}: {entry.reason}{verdict}")
