"""What killed drills left is removed, and nothing of one that runs elsewhere."""

from __future__ import annotations

import socket

import pytest

from drstack.drills.remains import PIN, alone, drills_folder, remove
from drstack.errors import OperationConflict
from replicator.model import CommitId
from tests.drstack.recovery.fleet import Fleet

NOW = 1000.0


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a",))
    made.save()
    return made


def left_behind(fleet, root, *, host, ends_by=NOW + 60):
    begun = {"id": "x", "kind": "full", "site": "west", "by": "ops", "host": host, "ends_by": ends_by}
    fleet.witness().drills().begin(begun)
    folder = drills_folder(root) / "e--drill-x"
    (folder / "witness").mkdir(parents=True)
    log = fleet.repository("west").log("a")
    log.pin(f"{PIN}x-1.1", CommitId(1, 1), reason="a drill", term=1)
    log.pin("kept", CommitId(1, 1), reason="an operator's", term=1)
    return folder


def test_folder_pins_and_record_of_a_killed_drill_are_settled_and_other_pins_stay(fleet, tmp_path):
    folder = left_behind(fleet, tmp_path, host=socket.gethostname())
    other = drills_folder(tmp_path) / "f--drill-x"
    other.mkdir()
    removed = remove(fleet.world(), tmp_path, NOW)
    assert (removed.folders, removed.record, removed.kept) == (("e--drill-x",), "x", ())
    assert not folder.exists()
    assert other.exists()
    assert set(fleet.repository("west").log("a").view().pins) == {"kept"}
    assert fleet.witness().drills().all()[0].result == "killed"
    assert not remove(fleet.world(), tmp_path, NOW).anything


def test_a_drill_on_another_machine_is_left_alone_until_its_time_is_over(fleet, tmp_path):
    folder = left_behind(fleet, tmp_path, host="elsewhere")
    with pytest.raises(OperationConflict, match="drill x by ops on elsewhere"):
        remove(fleet.world(), tmp_path, NOW)
    assert folder.exists()
    assert set(fleet.repository("west").log("a").view().pins) == {"kept", f"{PIN}x-1.1"}
    assert remove(fleet.world(), tmp_path, NOW + 61).record == "x"


def test_a_drill_that_runs_on_this_machine_is_left_alone(tmp_path):
    with alone(tmp_path, "e"):
        with pytest.raises(OperationConflict, match="a drill of e runs on this machine"), alone(tmp_path, "e"):
            pass
        with alone(tmp_path, "f"):
            pass
    with alone(tmp_path, "e"):
        pass


def test_pins_that_cannot_be_let_go_of_are_said(fleet, tmp_path):
    left_behind(fleet, tmp_path, host=socket.gethostname())
    fleet.repository("west").log("a").seal(1, reason="a promotion")
    removed = remove(fleet.world(), tmp_path, NOW)
    assert removed.pins == ()
    assert any("in west" in each for each in removed.kept)
