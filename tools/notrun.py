"""pytest plugin: what could not be had on this machine is listed as NOT RUN, and fails a run in CI.

A test that lacks something calls `not_run(reason)`. With DRSTACK_CI=1 only tests that are marked with one of
`EXCUSED` may do so. An ordinary skip, such as of a test for another operating system, is not listed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NoReturn

import pytest

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


class _Listing:
    """Hears of every report, also of those that come from workers (pytest-xdist)."""

    def __init__(self, listed: list[NotRun]) -> None:
        self._listed = listed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if (reason := reason_of(report)) is not None:
            excused = any(name in report.keywords for name in EXCUSED)
            self._listed.append(NotRun(report.nodeid, reason, excused))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if (reason := reason_of(report)) is not None:
            self._listed.append(NotRun(report.nodeid, reason, excused=False))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LISTED] = []
    config.pluginmanager.register(_Listing(config.stash[LISTED]), "drstack-notrun-listing")


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
