"""`drstack approve`, `promote` with a quorum and `--break-glass`, typed as the page and the errors say."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import pytest

from drstack.cli.progress import Tree
from drstack.errors import ApprovalRefused, ApprovalsMissing
from tests.drstack.cli.typed import Typed
from tests.drstack.recovery.people import Office
from tests.drstack.recovery.world import Rig

PROMOTE = ("promote", "e", "--to", "west", "--yes", "--no-reconcile")


@pytest.fixture
def office(tmp_path):
    made = Office(Rig(tmp_path, encrypted=True))
    made.rig.save(10)
    return made


@pytest.fixture
def typed(office, monkeypatch):
    return Typed(monkeypatch, lambda person: replace(office.world(*([person] if person else [])), progress=Tree("")))


def printed(typed, *arguments):
    done = typed(*arguments)
    assert done.exit_code == 0, f"{arguments}: {done.exception!r}\n{done.output}"
    return done.stdout


def test_a_promotion_goes_on_once_two_people_have_typed_what_it_says(typed, office):
    refused = typed(*PROMOTE).exception
    assert isinstance(refused, ApprovalsMissing)
    command = refused.hint[refused.hint.index("drstack approve") :].split("`")[0].split("\n")[0]
    words = shlex.split(command)
    assert words[:3] == ["drstack", "approve", "e"]
    assert words[words.index("--as") + 1].startswith("NAME")
    for n, name in enumerate(("bob", "carol"), 1):
        said = printed(typed, "approve", "e", "--hash", words[words.index("--hash") + 1], "--as", name, "--yes")
        assert f"{n} of 2 approvals" in said
        assert f"{name}: counts" in said
    waiting = json.loads(printed(typed, "approve", "e", "--list", "--json"))
    assert [(each["enough"], each["target"]) for each in waiting["waiting"]] == [(True, "west")]
    assert "west writes now (assignment 2)" in printed(typed, *PROMOTE)
    assert office.rig.witness().current().writer("gpt") == "west"


def test_a_plan_file_is_approved_before_the_incident(typed, tmp_path):
    plan = tmp_path / "plan.json"
    plan.write_text(printed(typed, "promote", "e", "--to", "west", "--plan"))
    for name in ("alice", "bob"):
        printed(typed, "approve", "e", "--plan-file", str(plan), "--as", name, "--yes")
    assert "west writes now" in printed(typed, *PROMOTE, "--plan-file", str(plan))


def test_who_is_not_asked_is_refused_and_nobody_is_a_question(typed):
    digest = typed(*PROMOTE).exception.digest
    refused = typed("approve", "e", "--hash", digest, "--as", "mallory", "--yes").exception
    assert isinstance(refused, ApprovalRefused)
    for wrong in (["approve", "e"], ["approve", "e", "--list", "--hash", digest], ["approve", "e", "--hash", digest]):
        assert typed(*wrong).exit_code == 2, wrong
    assert "0 of 2 approvals" in printed(typed, "approve", "e", "--list")


def test_a_broken_glass_is_loud_and_listed_until_it_is_signed_off(typed):
    done = typed(*PROMOTE, "--break-glass", "alice", "--reason", "nobody answers the phone")
    assert done.exit_code == 0, done.exception
    assert "BREAKING THE GLASS: alice goes on without approvals: nobody answers the phone" in done.stderr
    refused = typed(*PROMOTE[:3], "east", *PROMOTE[4:], "--break-glass", "mallory", "--reason", "why not")
    assert isinstance(refused.exception, ApprovalRefused)
    assert "BREAKING THE GLASS" not in refused.stderr
    told = printed(typed, "approve", "e", "--list")
    assert "WITHOUT APPROVALS by alice" in told
    assert "NOT SIGNED OFF" in told
    operation = json.loads(printed(typed, "approve", "e", "--list", "--json"))["break_glass"][0]["operation"]
    assert "signed off by bob" in printed(typed, "approve", "e", "--after-the-fact", operation, "--as", "bob", "--yes")
    assert "NOT SIGNED OFF" not in printed(typed, "approve", "e", "--list")
