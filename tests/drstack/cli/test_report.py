"""`drstack report` on a real witness folder: every form, to stdout and to files."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from drstack import assembly
from drstack.cli.main import make_app
from drstack.recovery.conduct import promote
from drstack.recovery.plan import Given
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.report.outline import Outline, fetches_nothing


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    made = Fleet(tmp_path / "fleet", names=("a",))
    made.save()
    promote(made.world(by="ada"), "west", Given(by="ada", reason="east is gone"))
    monkeypatch.setattr(assembly, "load", lambda name: name)
    monkeypatch.setattr(assembly, "project_root", lambda: tmp_path)
    monkeypatch.setattr(assembly, "open_witness", lambda *_: made.witness())
    return made


def report(*arguments):
    done = CliRunner().invoke(make_app(["report"]), ["report", "e", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_environment_in_every_form(fleet):
    assert report().splitlines()[1].split()[:5] == ["1-1", *report().splitlines()[1].split()[1:3], "promote", "west"]
    told = json.loads(report("--json"))
    assert told == json.loads(report("--as", "json"))
    assert told["operations"][0]["kind"] == "promote"
    assert report("--as", "markdown").startswith("# e: 1 operation;")
    assert "1-1" in Outline(report("--as", "html")).text


def test_one_operation_in_every_form(fleet):
    assert json.loads(report("--operation", "last", "--json"))["operation"] == "1-1"
    assert report("--operation", "1-1").startswith("# Promotion to west: promoted")
    assert fetches_nothing(report("--operation", "1-1", "--as", "html"))


def test_a_file_takes_its_form_from_its_ending_and_replaces_what_was_there(fleet, tmp_path):
    for ending, begins in ((".html", "<!doctype html>"), (".md", "# "), (".json", "{")):
        goal = tmp_path / f"report{ending}"
        goal.write_text("older")
        assert report("--out", str(goal)) == ""
        assert goal.read_text().startswith(begins)
    assert {each.name for each in tmp_path.iterdir()} == {"fleet", "report.html", "report.md", "report.json"}


def test_a_file_that_cannot_be_written_is_said(fleet, tmp_path):
    done = CliRunner().invoke(make_app(["report"]), ["report", "e", "--out", str(tmp_path / "no" / "r.html")])
    assert "cannot be written" in str(done.exception)
