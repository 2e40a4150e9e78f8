"""What the report says of fault cases: counts, seeds, and how one that failed is run again."""

from __future__ import annotations

import json

import pytest

from tools.cases import joined

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.faults("storms", 3, 50)
def test_storm(cases):
    for seed in cases.seeds():
        assert seed != 2 or BROKEN
    cases.found("worst: 7")

@pytest.mark.faults("cuts", 1, 8)
@pytest.mark.parametrize("size", [1, 2])
def test_cut(cases, size):
    cases.ran(4, 10 * size, 10 * size + 3)

def test_other(): ...
"""
PLUGINS = "pytest_plugins = ['tools.cases']"


@pytest.fixture
def suite(pytester, monkeypatch):
    for name in ("DRSTACK_SOAK", "DRSTACK_SEED"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest(PLUGINS)

    def made(*, broken=False):
        pytester.makepyfile(test_it=TESTS.replace("BROKEN", str(not broken)))
        return pytester

    return made


def test_the_report_counts_cases_of_each_family_and_names_their_seeds(suite):
    told = suite().runpytest_inprocess("-p", "no:xdist")
    told.stdout.re_match_lines_random(
        [r"storms +3 of +50 .* seeds 0-2", r"cuts +8 of +8 .* seeds 10-13, 20-23", r" +worst: 7"]
    )


@pytest.mark.slow
def test_a_case_that_failed_is_named_by_its_seed_also_where_workers_ran_it(suite):
    told = suite(broken=True).runpytest_subprocess("-n", "2")
    told.stdout.re_match_lines([r"storms +3 of +50 .* seeds 0-2"])
    told.stdout.fnmatch_lines(["*FAILED; it alone: DRSTACK_SEED=2 python -m pytest 'test_it.py::test_storm'"])


def test_a_seed_alone_and_a_family_alone(suite, monkeypatch):
    monkeypatch.setenv("DRSTACK_SEED", "41")
    told = suite().runpytest_inprocess("--faults", "storms")
    told.stdout.re_match_lines([r"storms +1 of +50 .* seeds 41"])
    told.assert_outcomes(passed=1, deselected=3)


def test_what_passed_at_length_is_not_run_again_where_one_goes_on(suite, monkeypatch, tmp_path):
    monkeypatch.setenv("DRSTACK_SOAK", "1")
    notes = tmp_path / "notes.jsonl"
    pytester = suite(broken=True)
    pytester.makeconftest(
        f"import pathlib, tools.cases\ntools.cases.notes_of_this_state = lambda: pathlib.Path({str(notes)!r})\n{PLUGINS}"
    )
    pytester.runpytest_inprocess("-m", "faults").assert_outcomes(passed=2, failed=1, deselected=1)
    assert {json.loads(line)["family"] for line in notes.read_text().splitlines()} == {"cuts"}
    pytester.runpytest_inprocess("-m", "faults", "--go-on").assert_outcomes(failed=1, deselected=3)


def test_spans_that_touch_are_told_as_one():
    assert joined([(5, 9), (0, 3), (4, 4), (20, 21)]) == [(0, 9), (20, 21)]
