"""PostgreSQL is promoted in a promotion: a real primary and its standby; never unproved without a person's consent."""

from __future__ import annotations

import pytest

from drstack.errors import ConsentRequired, StepFailed
from drstack.recovery import control
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import Given
from drstack.recovery.ports import Fence
from tests.drstack.actions.pair import PASSWORD, caught_up, pair
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.own import BY, world_of

pytestmark = pytest.mark.slow


@pytest.fixture
def servers():
    with pair() as made:
        yield made


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a",))
    made.save()
    made.sites["east"].reached = {"a": 10}
    return made


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("FAILOVER_PASSWORD", PASSWORD)


def promoting(servers, **more):
    told = {"servers": servers.servers, "user": "failover", "password": "${env:FAILOVER_PASSWORD}"}
    return {"db": {"postgresql": told, "before": "start a", **more}}


def assumed(fleet):
    """The fence could not be confirmed."""
    fleet.sites["east"].fence = lambda *, deadline_s, only=None, order=None: Fence("assumed", "nothing", "no answer")


def test_behind_a_proven_fence_the_standby_becomes_the_primary_with_what_it_had(fleet, servers):
    caught_up(servers, "1")
    servers.stop("east", "immediate")
    end = promote(world_of(fleet, promoting(servers)), "west", BY)
    assert end["result"] == "promoted"
    assert not servers.standby("west")
    assert servers.sql("west", "insert into t values (2) returning i") == "2"
    journal = fleet.witness().journal(1, 1)
    outcome = journal.outcome("step db")
    assert outcome["result"]["others"] == {"east": "refused"}
    assert outcome["ended_at"] <= journal.outcome("start a")["began_at"]
    kept = str([dict(record.body) for record in journal.records()])
    assert PASSWORD not in kept
    assert "${env:FAILOVER_PASSWORD}" in kept


def test_one_that_still_takes_writes_stands_against_it_however_well_its_site_was_fenced(fleet, servers):
    with pytest.raises(ConsentRequired, match="the server of east still takes writes") as raised:
        promote(world_of(fleet, promoting(servers)), "west", BY)
    assert raised.value.exit_code == 25
    assert "drstack resume e --accept-unfenced db --reason" in raised.value.hint
    assert servers.standby("west")
    assert fleet.sites["west"].starts == [], "what waits for the database does not start"
    servers.stop("east")
    assert control.resume(world_of(fleet, promoting(servers)), by="other")["result"] == "promoted"
    assert not servers.standby("west")


def test_behind_an_assumed_fence_a_person_has_to_consent_and_is_recorded(fleet, servers):
    assumed(fleet)
    servers.stop("east", "immediate")
    with pytest.raises(ConsentRequired, match="its fence is assumed; nothing listens where it was"):
        promote(world_of(fleet, promoting(servers)), "west", BY)
    assert servers.standby("west")
    with pytest.raises(ConsentRequired, match="needs a reason"):
        control.resume(world_of(fleet, promoting(servers)), by="anna", unfenced=("db",))
    world = world_of(fleet, promoting(servers))
    assert control.resume(world, by="anna", unfenced=("db",), reason="the room is dark")["result"] == "promoted"
    assert not servers.standby("west")
    [consent] = [r.body for r in fleet.witness().journal(1, 1).records() if r.kind == "consent"]
    assert (consent["value"], consent["by"], consent["reason"]) == ("unfenced db", "anna", "the room is dark")


def test_a_consent_given_beforehand_is_in_the_plan_and_in_the_assignment(fleet, servers):
    assumed(fleet)
    servers.stop("east", "immediate")
    given = Given(by="anna", reason="the room is dark", unfenced=("db",))
    world = world_of(fleet, promoting(servers))
    assert ("override", "unfenced db") in plan_only(world, "west", given).consents
    assert plan_only(world, "west", given).hash() != plan_only(world, "west", BY).hash()
    assert promote(world, "west", given)["result"] == "promoted"
    [consent] = fleet.witness().current().consents
    assert (consent.kind, consent.value, consent.by) == ("override", "unfenced db", "anna")


def test_in_a_switchover_the_old_server_has_to_be_stopped_first(fleet, servers):
    with pytest.raises(ConsentRequired, match="still takes writes"):
        promote(world_of(fleet, promoting(servers)), "west", BY, kind="switchover")
    servers.stop("east")
    assert control.resume(world_of(fleet, promoting(servers)), by="other")["result"] == "switched over"
    assert not servers.standby("west")


def test_one_that_is_the_primary_already_is_left_alone_and_two_are_never_passed_over(fleet, servers):
    servers.sql("west", "select pg_promote()")
    with pytest.raises(ConsentRequired, match="a primary already, and so is the server of east"):
        promote(world_of(fleet, promoting(servers)), "west", BY)
    servers.stop("east")
    assert control.resume(world_of(fleet, promoting(servers)), by="other")["result"] == "promoted"
    assert fleet.witness().journal(1, 1).outcome("step db")["detail"].endswith("is the primary already")


def test_a_server_that_is_away_or_refuses_fails_the_step_without_its_password(fleet, servers, monkeypatch):
    monkeypatch.setenv("FAILOVER_PASSWORD", "not the password at all")
    with pytest.raises(StepFailed, match="password authentication failed") as raised:
        promote(world_of(fleet, promoting(servers, retry=0)), "west", BY)
    assert "not the password at all" not in str(raised.value)
    servers.stop("west")
    with pytest.raises(StepFailed, match=r"(?i)refused"):
        promote(world_of(fleet, promoting(servers, retry=1), sleep=lambda _: None), "west", BY)
