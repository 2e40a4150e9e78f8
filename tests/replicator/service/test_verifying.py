"""A site reads its repository back and drills restores by itself; what is damaged comes back from a peer unattended."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from replicator.repository.pinning import DRILL
from replicator.repository.scrub import needed
from replicator.service.config import Drill, Scrub
from replicator.service.metrics import exposition
from replicator.service.service import Service
from replicator.service.verifying import Preempted
from tests.replicator.crypto.rig import Family
from tests.replicator.service.test_service import config, repository, running, save, steps, stores, until

pytestmark = pytest.mark.slow

__all__ = ["stores"]
OFTEN = Scrub(every_s=0.5)


def told(tmp_path, site="east", **more):
    (tmp_path / site).mkdir(exist_ok=True)
    return config(tmp_path, site, **more)


def said(tmp_path, site="east"):
    path = tmp_path / f"{site}.json"
    return json.loads(path.read_text())["verification"] if path.exists() else None


def shipped(tmp_path, *numbers):
    with running(told(tmp_path)):
        for step in numbers:
            save(tmp_path, step)
            until(lambda step=step: step in steps(tmp_path, "west") and step in steps(tmp_path, "east"))


def a_pack(tmp_path, name):
    there = repository(tmp_path / "stores" / name, name)
    return tmp_path / "stores" / name / next(key for key in sorted(needed(there)) if key.startswith("packs/"))


def flip(path):
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(body))
    return body


def test_a_damaged_block_is_found_and_put_back_from_the_peer_unattended(tmp_path, stores):
    shipped(tmp_path, 10, 20)
    pack = a_pack(tmp_path, "west")
    right = pack.read_bytes()
    wrong = flip(pack)
    assert pack.read_bytes() == bytes(wrong) != right
    settings = told(tmp_path, "west", scrub=OFTEN, verify_own=False)
    with running(settings):
        until(lambda: (said(tmp_path, "west") or {"repair": {"repaired": 0}})["repair"]["repaired"] == 1)
        until(lambda: said(tmp_path, "west")["scrub"]["damaged"] == {})
        until(lambda: said(tmp_path, "west")["scrub"]["round"] > 2)
    assert pack.read_bytes() == right
    there = repository(tmp_path / "stores" / "west", "west")
    for accepted in there.log("gpt").view().in_order():
        assert not there.receipts.damaged("gpt", accepted.slot)
    assert said(tmp_path, "west")["trouble"] is None


def test_what_was_repaired_is_no_damage_any_more_before_it_is_read_again(tmp_path, stores):
    shipped(tmp_path, 10)
    flip(a_pack(tmp_path, "east"))
    verifying = Service(told(tmp_path, scrub=Scrub(every_s=1e-6)))._verifying
    verifying.round()
    assert verifying.repaired == 1
    assert verifying.place.damaged == {}


def test_damage_that_no_peer_can_put_back_stays_named(tmp_path, stores):
    shipped(tmp_path, 10)
    flip(a_pack(tmp_path, "west"))
    flip(a_pack(tmp_path, "east"))
    with running(told(tmp_path, "west", scrub=OFTEN, verify_own=False)):
        left = until(lambda: (said(tmp_path, "west") or {}).get("repair", {}).get("left"))
        assert a_pack(tmp_path, "west").name in next(iter(left))
        assert "damaged there too" in next(iter(left.values()))
        until(lambda: said(tmp_path, "west")["scrub"]["round"] > 2)
    there = repository(tmp_path / "stores" / "west", "west")
    assert there.receipts.damaged("gpt", there.log("gpt").view().in_order()[0].slot)


def test_without_repair_damage_is_told_and_left(tmp_path, stores):
    shipped(tmp_path, 10)
    wrong = flip(a_pack(tmp_path, "west"))
    with running(told(tmp_path, "west", scrub=Scrub(every_s=0.5, repair=False), verify_own=False)):
        until(
            lambda: (said(tmp_path, "west") or {"scrub": None})["scrub"] and said(tmp_path, "west")["scrub"]["damaged"]
        )
        until(lambda: said(tmp_path, "west")["scrub"]["round"] > 2)
    assert a_pack(tmp_path, "west").read_bytes() == bytes(wrong)


def test_a_drill_is_made_on_schedule_leaves_a_receipt_and_says_what_to_test_next(tmp_path, stores):
    shipped(tmp_path, 10, 20)
    settings = told(tmp_path, "west", drill=Drill(every_s=0.5))
    with running(settings):
        last = until(lambda: (said(tmp_path, "west") or {"drill": {}})["drill"].get("last"))
        assert last["ok"] is True
        assert last["workload"] == "gpt"
        until(lambda: said(tmp_path, "west")["drill"]["next"])
    there = repository(tmp_path / "stores" / "west", "west")
    view = there.log("gpt").view()
    drilled = [a.what.step for a in view.in_order() if there.receipts.drilled_at("gpt", a.slot) is not None]
    assert last["step"] in drilled
    assert not view.pins
    assert list((tmp_path / "west" / "spool" / ".verification" / "drills").iterdir()) == []


def test_when_it_drilled_last_is_known_after_a_restart_and_nothing_is_drilled_early(tmp_path, stores):
    shipped(tmp_path, 10)
    with running(told(tmp_path, "west", drill=Drill(every_s=0.3))):
        until(lambda: (said(tmp_path, "west") or {"drill": {}})["drill"].get("last"))
    service = Service(told(tmp_path, "west", drill=Drill(every_s=3600)))
    service._verifying.round()
    assert service._verifying.drilled.step == 10
    assert service._verifying.drills == 0


def test_the_first_drill_waits_a_period_from_when_there_was_something_to_drill(tmp_path, stores):
    shipped(tmp_path, 10)
    verifying = Service(told(tmp_path, drill=Drill(every_s=3600)))._verifying
    now = [time.time()]
    verifying.repository.clock = lambda: now[0]
    verifying.round()
    now[0] += 3599
    verifying.round()
    assert verifying.drills == 0
    now[0] += 2
    verifying.round()
    assert verifying.drills == 1
    assert verifying.drilled.ok


def test_whoever_restores_stops_a_drill_and_a_scrub_and_they_begin_again_when_he_is_done(tmp_path, stores):
    shipped(tmp_path, 10)
    scrub = Scrub(every_s=1000, bytes_per_s=100_000)
    service = Service(told(tmp_path, scrub=scrub, drill=Drill(every_s=1e-6)))
    verifying, uplink = service._verifying, service._uplink
    began = threading.Event()
    outcome = []

    def work():
        began.set()
        try:
            verifying.round()
        except Preempted:
            outcome.append(time.monotonic())

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    until(lambda: any((tmp_path / "east" / "spool" / ".verification" / "drills").glob("drill-*")))
    told_at = time.monotonic()
    uplink.hold("somebody restores")
    thread.join(5)
    assert outcome
    assert outcome[0] - told_at < 1.0
    assert verifying.drills == 0
    assert list((tmp_path / "east" / "spool" / ".verification" / "drills").iterdir()) == []
    verifying.round()
    assert verifying.document()["paused"] == "somebody restores"
    assert verifying.drills == 0
    uplink.hold(None)
    verifying.scrubbing = None
    verifying.round()
    assert verifying.drills == 1


def test_a_drill_holds_no_sending_up(tmp_path, stores):
    shipped(tmp_path, 10)
    with running(told(tmp_path, scrub=Scrub(every_s=1000, bytes_per_s=50_000), drill=Drill(every_s=0.5))):
        drills = tmp_path / "east" / "spool" / ".verification" / "drills"
        until(lambda: drills.exists() and any(drills.glob("drill-*")))
        assert any(
            name.startswith(DRILL) for name in repository(tmp_path / "stores" / "east", "east").log("gpt").view().pins
        )
        save(tmp_path, 20)
        until(lambda: steps(tmp_path, "west") == [10, 20], within_s=5)
        assert any(drills.glob("drill-*")), "the drill was over before the save was shipped"


def test_what_a_killed_drill_left_is_cleared_away(tmp_path, stores):
    shipped(tmp_path, 10)
    there = repository(tmp_path / "stores" / "east", "east")
    commit = there.log("gpt").view().in_order()[0].what.id()
    there.log("gpt").pin("drill-east.0123", commit, reason="a drill", term=1)
    there.log("gpt").pin("drill-east-2.0123", commit, reason="a drill of another site", term=1)
    left = tmp_path / "east" / "spool" / ".verification" / "drills" / "drill-77"
    left.mkdir(parents=True)
    Service(told(tmp_path, drill=Drill()))._verifying.round()
    assert not left.exists()
    assert set(repository(tmp_path / "stores" / "east", "east").log("gpt").view().pins) == {"drill-east-2.0123"}


def test_no_room_for_a_drill_is_told_and_nothing_is_written(tmp_path, stores, monkeypatch):
    shipped(tmp_path, 10)
    verifying = Service(told(tmp_path, drill=Drill(every_s=1e-6)))._verifying
    verifying.round()
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("replicator.service.verifying.shutil.disk_usage", lambda _: usage)
    verifying.round()
    assert "no room to drill" in verifying.trouble
    verifying.drilling = Drill(every_s=1e9)
    verifying.round()
    assert "no room to drill" in verifying.trouble, "it is told until a drill is made"
    assert not any(Path(verifying.folder / "drills").iterdir())


def test_a_failed_drill_is_a_receipt_a_metric_and_is_repaired(tmp_path, stores):
    shipped(tmp_path, 10)
    pack = a_pack(tmp_path, "east")
    right = pack.read_bytes()
    flip(pack)
    service = Service(told(tmp_path, scrub=Scrub(every_s=1e9), drill=Drill(every_s=1e-6)))
    verifying = service._verifying
    verifying.scrubbing = None
    verifying.round()
    assert verifying.drilled.ok is False
    text = exposition(service.readings).decode()
    assert "replicator_drill_failures_total 1.0" in text
    assert "replicator_last_drill_ok 0.0" in text
    verifying.drilling = Drill(every_s=1e9)
    verifying.scrubbing = Scrub(every_s=1e9)
    verifying.round()
    assert pack.read_bytes() == right
    there = repository(tmp_path / "stores" / "east", "east")
    assert not there.receipts.damaged("gpt", there.log("gpt").view().in_order()[0].slot)


@pytest.mark.parametrize("names", [("keeper", "verifier"), ("keeper", "verifier", "operator")])
def test_a_site_without_a_recipients_key_scrubs_and_says_that_it_cannot_drill(tmp_path, names):
    from replicator.repository.ship import ship
    from replicator.service.verifying import Verifying
    from tests.replicator.repository.rig import checkpoint, push

    family = Family(tmp_path)
    ship(push(1, 10), checkpoint(tmp_path / "ck", 10), family.all())
    verifying = Verifying(
        family.hand(*names), [], "west", tmp_path / "state", Scrub(every_s=1e9), Drill(every_s=1e-6), lambda: None,
        lambda _: None, lambda: 0,
    )  # fmt: skip
    verifying.round()
    verifying.round()
    assert verifying.read_bytes > 0
    if "operator" in names:
        assert verifying.drilled.ok
    else:
        assert "no recipient's key is at hand" in verifying.trouble


def test_a_scrub_that_never_catches_up_leaves_drills_their_turn(tmp_path, stores, monkeypatch):
    shipped(tmp_path, 10, 20)
    monkeypatch.setattr("replicator.service.verifying._TURN_S", 0.0)
    settings = told(tmp_path, "west", scrub=Scrub(every_s=1e-3), drill=Drill(every_s=0.1), verify_own=False)
    with running(settings):
        until(lambda: (said(tmp_path, "west") or {"drill": {}})["drill"].get("last"))
        until(lambda: said(tmp_path, "west")["scrub"]["overdue"] or said(tmp_path, "west")["scrub"]["round"] > 1)
