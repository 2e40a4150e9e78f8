"""What `drstack witness show` calls assignments that a repair put back."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from drstack import assembly
from drstack.cli.main import make_app
from drstack.witness.assignment import Assignment, Consent, WithoutWitness, WorkloadAssignment
from tests.drstack.recovery.fleet import Fleet

REPAIRED = Consent(kind="override", value="witness repaired", reason="its disk died", by="bob")


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    made = Fleet(tmp_path / "fleet", names=("a",))
    mark = WithoutWitness(operation="1-1", reason="east burnt", by="ana")
    part = WorkloadAssignment(writer="west", term=2, without_witness=mark)
    for number, operation, consents in ((2, "1-1", (REPAIRED, mark.consent("west"))), (3, None, (REPAIRED,))):
        made.witness().assign(
            Assignment(number=number, workloads={"a": part}, cause="repair", operation=operation, consents=consents)
        )
    copied = WorkloadAssignment(writer="east", term=4)
    made.witness().assign(Assignment(number=4, workloads={"a": copied}, cause="repair", consents=(REPAIRED,)))
    monkeypatch.setattr(assembly, "load", lambda name: name)
    monkeypatch.setattr(assembly, "project_root", lambda: tmp_path)
    monkeypatch.setattr(assembly, "open_witness", lambda *_: made.witness())
    return made


def show(*arguments):
    done = CliRunner().invoke(make_app(["witness"]), ["witness", "show", "e", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_people_read_what_each_was(fleet):
    lines = show().splitlines()
    causes = [line.split("a: ")[0].split(maxsplit=1)[1].strip() for line in lines]
    assert causes == ["create", "repair (without the witness, ana)", "repair (burnt)", "repair"]
    assert len({line.index("a: ") for line in lines}) == 1, "one column under another"


def test_programs_read_the_same_cause_as_before_and_more_fields(fleet):
    rows = json.loads(show("--json"))["assignments"]
    assert [row["cause"] for row in rows] == ["create", "repair", "repair", "repair"]
    assert [row["without_witness"] for row in rows] == [None, "ana", None, None]
    assert [row["burnt"] for row in rows] == [False, False, True, False]
