from __future__ import annotations

from typing import Protocol

import pytest

pytest_plugins = ["pytester"]

MARKERS = """
[pytest]
markers =
    needs_gpu: x
    needs_cloud_account: x
"""
LACKING = """
import pytest
from tools.notrun import not_run

@pytest.fixture
def server():
    not_run("no server")

def test_with_a_fixture(server): ...
def test_in_its_body(): not_run("no engine")
"""
EXCUSED = """
import pytest
from tools.notrun import not_run

@pytest.mark.needs_gpu
def test_gpu(): not_run("no GPU")

@pytest.mark.needs_cloud_account
class TestCloud:
    def test_account(self): not_run("no account")
"""
LACKING_MODULE = """
from tools.notrun import not_run
not_run("no SDK")
"""
ORDINARY = """
import pytest

@pytest.mark.skipif(True, reason="for another system")
def test_skipped(): ...

def test_skips(): pytest.skip("just so")
"""
PASSING = "def test_passes(): ..."
FAILING = "def test_fails(): assert False"


class Run(Protocol):
    def __call__(self, source: str, *, ci: bool) -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    def run(source: str, *, ci: bool) -> pytest.RunResult:
        monkeypatch.setenv("DRSTACK_CI", "1" if ci else "")
        pytester.makeini(MARKERS)
        pytester.makepyfile(source)
        return pytester.runpytest_inprocess("-p", "tools.notrun", "-p", "no:cacheprovider")

    return run


@pytest.mark.slow
def test_lists_what_workers_could_not_run_and_fails_on_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-n 2")
    result = run(LACKING + PASSING + EXCUSED, ci=True)
    result.stdout.fnmatch_lines_random(["*::test_in_its_body: no engine (fails this run*", "*::test_gpu: no GPU"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    module = run(LACKING_MODULE, ci=True)
    module.stdout.fnmatch_lines(["*: no SDK (fails this run*"])
    assert module.ret != pytest.ExitCode.OK


def test_lists_each_test_with_its_reason(run: Run) -> None:
    result = run(LACKING + PASSING, ci=False)
    result.stdout.fnmatch_lines(
        [
            "*= NOT RUN =*",
            "*::test_with_a_fixture: no server",
            "*::test_in_its_body: no engine",
        ]
    )
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1, skipped=2)


def test_fails_the_run_in_ci(run: Run) -> None:
    result = run(LACKING + PASSING, ci=True)
    result.stdout.fnmatch_lines(["*test_in_its_body: no engine (fails this run: DRSTACK_CI=1)"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("ci", [False, True])
def test_excuses_what_needs_a_gpu_or_an_account(*, run: Run, ci: bool) -> None:
    result = run(EXCUSED, ci=ci)
    result.stdout.fnmatch_lines(["*::test_gpu: no GPU", "*::TestCloud::test_account: no account"])
    assert result.ret == pytest.ExitCode.OK


def test_does_not_excuse_one_test_by_the_mark_of_another(run: Run) -> None:
    assert run(EXCUSED + LACKING, ci=True).ret == pytest.ExitCode.TESTS_FAILED


def test_lists_a_module_that_lacks_something_as_a_whole(run: Run) -> None:
    result = run(LACKING_MODULE, ci=True)
    result.stdout.fnmatch_lines(["*= NOT RUN =*", "*.py: no SDK (fails this run*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_lets_ordinary_skips_be(run: Run) -> None:
    result = run(ORDINARY + PASSING, ci=True)
    result.stdout.no_fnmatch_line("*NOT RUN*")
    assert result.ret == pytest.ExitCode.OK


def test_does_not_hide_a_failure(run: Run) -> None:
    assert run(EXCUSED + FAILING, ci=True).ret == pytest.ExitCode.TESTS_FAILED
