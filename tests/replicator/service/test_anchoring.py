"""A service anchors how far its logs reached; rolled back, they are written to by nobody until a copy is put back."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.repository.anchors import Anchor as Kept
from replicator.repository.anchors import open_anchors
from replicator.repository.heads import Head
from replicator.repository.repair import repair_logs
from replicator.repository.repository import random_token
from replicator.service import anchoring
from replicator.service.anchoring import is_due
from replicator.service.config import Anchor
from replicator.service.metrics import exposition
from replicator.service.service import Service
from tests.replicator.service.test_service import config, repository, running, save, steps, stores, until

pytestmark = pytest.mark.slow

__all__ = ["stores"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(anchoring, "LOOK_S", 0.1)


def told(tmp_path, site="east", every_s=0.1, **more):
    (tmp_path / site).mkdir(exist_ok=True)
    (tmp_path / "witness").mkdir(exist_ok=True)
    anchor = Anchor(url=(tmp_path / "witness").as_uri(), environment="prod", every_s=every_s, **more)
    return config(tmp_path, site, anchor=anchor)


def anchored(tmp_path, name, limit_s=5.0):
    kept = open_anchors((tmp_path / "witness").as_uri(), "prod", clock=lambda: 0.0, token=random_token, limit_s=limit_s)
    found = kept.last(repository(tmp_path / "stores" / name, name), "gpt")
    return None if found is None else found.anchor


def status(tmp_path, site="east"):
    return json.loads((tmp_path / f"{site}.json").read_text())


def kept(slot, term=1, height=0):
    return Kept(slot=slot, digest="0" * 64, term=term, height=height)


@given(st.integers(1, 100), st.integers(1, 100), st.floats(0, 200), st.booleans())
def test_a_head_is_anchored_when_it_moved_far_or_long_enough_ago_or_in_the_end(before, now, since_s, last):
    due = is_due(kept(before), kept(now), since_s=since_s, every_s=60, every_slots=16, last=last)
    assert due == (now > before and (last or since_s >= 60 or now - before >= 16))


def test_a_log_is_anchored_each_minute_and_each_16_entries_unless_told_otherwise():
    asked = Anchor(url="file:///witness", environment="prod")
    assert (asked.every_s, asked.every_slots) == (60, 16)
    every = {"every_s": asked.every_s, "every_slots": asked.every_slots, "last": False}
    assert not is_due(kept(1), kept(16), since_s=59, **every)
    assert is_due(kept(1), kept(17), since_s=0, **every)
    assert is_due(kept(1), kept(2), since_s=60, **every)


def test_the_first_head_and_that_of_a_new_term_are_anchored_at_once():
    assert is_due(None, kept(1), since_s=0, every_s=60, every_slots=16, last=False)
    assert is_due(kept(3), kept(5, term=2), since_s=0, every_s=60, every_slots=16, last=False)


def test_the_writers_service_anchors_both_logs_and_the_last_commit_on_its_way_out(tmp_path, stores):
    with running(told(tmp_path, every_s=3600)):
        until(lambda: anchored(tmp_path, "west") and anchored(tmp_path, "east"))
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10] and steps(tmp_path, "east") == [10])
    for name in ("east", "west"):
        view = repository(tmp_path / "stores" / name, name).log("gpt").view()
        assert (anchored(tmp_path, name).slot, anchored(tmp_path, name).height) == (view.slots, 1), name
    said = status(tmp_path)["anchors"]["logs"]["gpt"]
    assert said["west"]["height"] == 1
    assert said["west"]["rolled_back"] is None
    assert status(tmp_path)["anchors"]["trouble"] is None


def test_commits_are_not_anchored_one_by_one(tmp_path, stores):
    with running(told(tmp_path, every_s=3600, every_slots=1000)):
        for step in (10, 20, 30):
            save(tmp_path, step)
            until(lambda step=step: step in steps(tmp_path, "west"))
    assert len(list((tmp_path / "witness").rglob("heads/west/gpt/*/*"))) == 2


def test_a_witness_that_is_away_stops_no_shipping_and_is_told(tmp_path, stores):
    settings = told(tmp_path)
    (tmp_path / "witness").rmdir()
    (tmp_path / "witness").write_text("no folder")
    service = Service(settings)
    with running(settings):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        until(lambda: status(tmp_path)["anchors"]["trouble"])
        (tmp_path / "witness").unlink()
        (tmp_path / "witness").mkdir()
        until(lambda: anchored(tmp_path, "west"))
        until(lambda: status(tmp_path)["anchors"]["trouble"] is None)
    assert service.status()["anchors"]["logs"] == {}


def _rolled_back(tmp_path, settings):
    """The destination `west` is as it was after its first checkpoint; the copy is as it was before."""
    west, older, copy = tmp_path / "stores" / "west", tmp_path / "older", tmp_path / "copy"
    with running(settings):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        shutil.copytree(west, older)
        save(tmp_path, 20)
        until(lambda: steps(tmp_path, "west") == steps(tmp_path, "east") == [10, 20])
    shutil.copytree(west, copy)
    shutil.rmtree(west)
    shutil.copytree(older, west)


def test_a_service_that_starts_on_a_rolled_back_repository_writes_nothing_there_until_a_copy_is_put_back(
    tmp_path, stores
):
    settings = told(tmp_path)
    _rolled_back(tmp_path, settings)
    before = {path.name for path in (tmp_path / "stores" / "west" / "log" / "gpt").iterdir()}
    save(tmp_path, 30)
    with running(settings):
        until(lambda: steps(tmp_path, "east") == [10, 20, 30])
        said = until(lambda: status(tmp_path)["anchors"]["logs"]["gpt"]["west"]["rolled_back"])
        assert "it ends before slot" in said
        trouble = until(lambda: status(tmp_path)["workloads"]["gpt"]["destinations"]["west"]["trouble"])
        assert "was rolled back" in trouble
        assert {path.name for path in (tmp_path / "stores" / "west" / "log" / "gpt").iterdir()} == before
        anchor = anchored(tmp_path, "west")
        there = repository(tmp_path / "stores" / "west", "west")
        repair_logs(
            there, [repository(tmp_path / "copy", "copy")], lambda _: [Head(n=anchor.slot, digest=anchor.digest)]
        )
        until(lambda: steps(tmp_path, "west") == [10, 20, 30])
    assert status(tmp_path)["anchors"]["logs"]["gpt"]["west"]["rolled_back"] is None


def test_a_standby_whose_own_repository_was_rolled_back_drops_and_attests_nothing_there(tmp_path, stores):
    _rolled_back(tmp_path, told(tmp_path))
    with running(told(tmp_path, "west")):
        until((tmp_path / "west.json").exists)
        until(lambda: status(tmp_path, "west")["anchors"]["logs"]["gpt"]["west"]["rolled_back"])
        until(lambda: status(tmp_path, "west")["workloads"]["gpt"]["keeping"])
        assert "rolled back" in status(tmp_path, "west")["workloads"]["gpt"]["keeping"]
    assert not (tmp_path / "stores" / "west" / "receipts").exists()


def test_what_is_known_of_anchors_is_in_the_metrics(tmp_path, stores):
    _rolled_back(tmp_path, told(tmp_path))
    service = Service(told(tmp_path))
    service._anchoring.look(every=True)
    text = exposition(service.readings).decode()
    assert 'replicator_rolled_back{destination="west",workload="gpt"} 1.0' in text
    assert 'replicator_rolled_back{destination="east",workload="gpt"} 0.0' in text
    assert "replicator_anchor_failures_total 0.0" in text
