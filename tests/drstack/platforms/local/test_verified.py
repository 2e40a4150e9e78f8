"""What a replicator wrote about drills and scrubs is what the site says and the status shows."""

from __future__ import annotations

import json

import pytest

from drstack.platforms.local.verified import read_verified
from drstack.recovery.facts import Facts
from drstack.recovery.ports import SiteObservation, Verified
from drstack.recovery.status import status, verified_in_words
from drstack.witness.assignment import Assignment
from replicator.service.config import Drill, Scrub
from replicator.service.service import Service
from tests.replicator.service.test_service import config, repository, running, save, steps, until


def test_what_a_real_service_writes_is_read_back(tmp_path):
    for name in ("east", "west"):
        repository(tmp_path / "stores" / name, name)
    (tmp_path / "east").mkdir()
    settings = config(tmp_path, scrub=Scrub(every_s=1e-3), drill=Drill(every_s=1e-3))
    with running(settings):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        found = until(lambda: (said := read_verified(tmp_path / "east.json")) and said.drilled_at and said)
        until(lambda: read_verified(tmp_path / "east.json").scrubbed_at)
    assert found.drilled.startswith("step 10 of gpt in ")
    assert found.drill_ok
    assert found.next


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"verification": null}', '{"verification": {"drill": 3}}'])
def test_a_status_that_says_nothing_of_it_is_no_trouble(tmp_path, text):
    path = tmp_path / "status.json"
    if text is not None:
        path.write_text(text)
    assert read_verified(path) is None


def test_what_was_never_done_is_said_too(tmp_path):
    (tmp_path / "x").mkdir()
    path = tmp_path / "status.json"
    for name in ("east", "west"):
        repository(tmp_path / "stores" / name, name)
    told = Service(config(tmp_path, scrub=Scrub(), drill=Drill())).status()
    path.write_text(json.dumps(told))
    assert read_verified(path) == Verified(at=told["at"])


def shown(said: Verified) -> str:
    site = SiteObservation("west", reachable=True, verified=said)
    facts = Facts(1000.0, Assignment(number=1, workloads={}, cause="create"), {"west": site}, {})
    return verified_in_words(status("e", facts, {}, None)["sites"]["west"]["verified"])


def test_the_status_shows_ages_and_says_loudly_what_is_late_or_damaged():
    assert shown(Verified()) == "no drill yet; not yet all read back"
    fine = Verified(drilled_at=940.0, drilled="step 40 of gpt in 2.1 s", scrubbed_at=970.0)
    assert shown(fine) == "drilled 60 s ago (step 40 of gpt in 2.1 s); all read back 30 s ago"
    bad = Verified(
        drilled_at=940.0, drilled="step 40 of gpt FAILED: x", drill_ok=False, damaged=2, overdue=("scrub", "drill")
    )
    assert shown(bad).endswith("not yet all read back; scrub OVERDUE; drill OVERDUE; 2 objects DAMAGED")
