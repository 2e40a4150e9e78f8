"""A kit carries the environment's runbook, as it is typed there, and what is said of kits alone."""

from __future__ import annotations

from drstack.kit import manifest, runbook
from drstack.report.as_html import as_html
from drstack.report.as_markdown import as_markdown
from drstack.runbook.gather import written
from tests.drstack.kit.kits import make
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.report.outline import Outline, fetches_nothing
from tests.drstack.runbook.test_runbook import declared


def test_it_begins_with_making_the_kit_ready_and_ends_with_what_the_kit_cannot_do(tmp_path):
    fleet = Fleet(tmp_path / "fleet", names=("a",))
    told = manifest.read(make(tmp_path / "kit", keys=manifest.Included(included=True, why="keys are elsewhere")))
    page, _ = written(
        declared(fleet), fleet.world(), "file:///srv/witness", runbook.beside(told), state="file:///srv/state"
    )
    text = as_markdown(page)
    assert (
        text.index("python3 start.py")
        < text.index("ready/drstack status e")
        < text.index("ready/drstack promote e --to west\n")
    )
    assert "What this kit cannot do" in text
    assert "keys are elsewhere" in text
    assert "/srv/keys/local" in text
    assert "--check FILE" not in text.splitlines()[2], "it holds what a runbook elsewhere does not"
    assert fetches_nothing(as_html(page))
    assert "promoter.key" in Outline(as_html(page)).text
