"""The page says for each thing that is demanded whether it was reached, and why not."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from benchmarks.report import Section, Table, Verdict, mebibytes, ratio, read_section, render, seconds
from benchmarks.spread import Spread

SECTION = Section(
    "Push",
    "conditions",
    (Table(("a", "b"), (("x | y", "2"),), "how long"),),
    (Verdict("five times", "4.10", reached=False, why="disk"), Verdict("fewer bytes", "1 beside 2", reached=True)),
    ("a note",),
)


def test_what_was_not_reached_is_said_with_its_reason():
    page = render([SECTION], [("processor", "two cores")])
    assert "| five times | 4.10 | NOT reached: disk |" in page
    assert "| fewer bytes | 1 beside 2 | reached |" in page
    assert page.index("NOT reached") < page.index("## Push") < page.index("### how long") < page.index("a note")


def test_a_reason_that_nobody_gave_leaves_no_colon():
    page = render([Section("s", "c", (), (Verdict("d", "s", reached=False),))], [])
    assert "| d | s | NOT reached |" in page


def test_a_bar_in_a_cell_does_not_make_a_column():
    assert "| x \\| y | 2 |" in render([SECTION], [])


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match="a row has 1 cells, not 2"):
        render([Section("s", "c", (Table(("a", "b"), (("only",),)),))], [])


def test_a_section_that_was_kept_is_the_same_again():
    assert read_section(json.dumps(asdict(SECTION))) == SECTION


def test_figures_have_their_spread():
    assert ratio(Spread(1, 2, 3, 9)) == "2.00 (1.00 to 3.00)"
    assert seconds(Spread(0.5, 1.25, 2, 9)) == "1.25 s (0.50 to 2.00)"
    assert mebibytes(3 << 20) == "3.0 MiB"
