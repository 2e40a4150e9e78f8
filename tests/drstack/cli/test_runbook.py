"""`drstack runbook`: to stdout, to files, and whether a file still holds."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from drstack import assembly
from drstack.cli.main import make_app
from drstack.errors import EnvironmentUnknown, RunbookStale
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from drstack.runbook import gather
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.runbook.test_runbook import declared


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    made = Fleet(tmp_path / "fleet", names=("a",))
    made.save()
    monkeypatch.setattr(assembly, "load", lambda _: declared(made))
    monkeypatch.setattr(assembly, "project_root", lambda: tmp_path)
    monkeypatch.setattr(gather, "assemble", lambda *_, **__: made.world())
    return made


def run(*arguments):
    return CliRunner().invoke(make_app(["runbook"]), ["runbook", "e", *arguments])


@pytest.mark.parametrize("name", ["book.md", "book.html"])
def test_a_file_holds_until_the_plan_changes(fleet, tmp_path, name):
    goal = tmp_path / name
    assert run("--out", str(goal)).exit_code == 0
    assert "still holds" in run("--check", str(goal)).stdout
    promote(fleet.world(), "west", Given(by="test"))
    done = run("--check", str(goal), "--json")
    assert isinstance(done.exception, RunbookStale)
    assert done.exception.exit_code == 90
    assert "promote e --to east" in str(done.exception)
    told = json.loads(done.stdout)
    assert (told["holds"], told["form"]) == (False, "html" if name.endswith("html") else "markdown")
    assert told["differences"]
    run("--out", str(goal))
    assert json.loads(run("--check", str(goal), "--json").stdout)["holds"] is True


def test_a_line_changed_by_hand_is_found(fleet, tmp_path):
    goal = tmp_path / "book.md"
    run("--out", str(goal))
    goal.write_text(goal.read_text().replace("drstack promote e --to west", "drstack promote e --to east", 1))
    assert isinstance(run("--check", str(goal)).exception, RunbookStale)


def test_it_is_markdown_unless_said_otherwise(fleet, tmp_path):
    assert run().stdout.startswith("# Runbook of e\n")
    assert run("--as", "html").stdout.startswith("<!doctype html>")
    told = json.loads(run("--out", str(tmp_path / "x.html"), "--json").stdout)
    assert (told["form"], len(told["structure"])) == ("html", 16)


def test_what_cannot_be_checked_is_said(fleet, tmp_path):
    assert isinstance(run("--check", str(tmp_path / "none.md")).exception, EnvironmentUnknown)
    assert run("--check", "x", "--out", "y").exit_code == 2
