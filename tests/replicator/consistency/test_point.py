"""A point is made whole or not at all, and whatever was quiesced is released, in reverse, whatever happened."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from replicator.consistency.config import read_point
from replicator.consistency.hooks import Commands, Functions
from replicator.consistency.point import TakenPoint, not_made, take_point
from replicator.consistency.restore import restore_point
from replicator.errors import NothingToRestore, ReplicatorError
from replicator.repository.establish import open_at
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import check_decoded
from replicator.service.once import push_once
from replicator.service.spool import Spool
from replicator.train.shipper import Shipper
from tests.replicator.consistency.systems import Recorder
from tests.replicator.repository.rig import push
from tests.replicator.train.rig import made, saved
from tests.replicator.versions.test_travels import newest

WHOLE = ["quiesce a", "quiesce b", "keep a", "keep b", "release b", "release a"]


def taken(tmp_path, *systems) -> TakenPoint:
    return take_point(systems, tmp_path / "point")


def test_systems_are_quiesced_in_order_kept_and_released_in_reverse(tmp_path):
    asked: list[str] = []
    found = taken(tmp_path, Recorder("a", asked), Recorder("b", asked))
    assert asked == WHOLE
    assert found.point.made
    assert [(each.name, each.ok, each.facts) for each in found.point.participants] == [
        ("a", True, {"row": "a"}),
        ("b", True, {"row": "b"}),
    ]
    assert (found.folder / "b" / "dump").read_text() == "b"


@pytest.mark.parametrize(("broken", "verb"), list(itertools.product("ab", ("quiesce", "keep"))))
@pytest.mark.parametrize("how", ["breaks", "hangs"])
def test_whatever_breaks_or_hangs_no_point_is_made_and_all_that_began_is_released(tmp_path, broken, verb, how):
    asked: list[str] = []
    systems = [Recorder(name, asked, timeout_s=0.2, **({how: verb} if name == broken else {})) for name in ("a", "b")]
    found = taken(tmp_path, *systems)
    cut = WHOLE.index(f"{verb} {broken}") + 1
    began = [name for name in "ba" if f"quiesce {name}" in WHOLE[:cut]]
    assert asked == [*WHOLE[:cut], *(f"release {name}" for name in began)]
    assert not found.point.made
    assert found.folder is None
    assert not (tmp_path / "point").exists()
    assert broken in found.point.reason
    assert "s3cr3tpw" not in found.point.model_dump_json()


def test_one_that_is_not_released_is_named_and_the_others_are_released(tmp_path, caplog):
    asked: list[str] = []
    found = taken(tmp_path, Recorder("a", asked), Recorder("b", asked, breaks="release"))
    assert asked == WHOLE
    assert [each.ok for each in found.point.participants] == [True, False]
    assert "NOT RELEASED" in found.point.participants[1].told
    assert "b is NOT RELEASED" in caplog.text


def test_commands_get_the_folder_and_run_in_order(tmp_path):
    log = tmp_path / "log"
    hook = Commands(
        "db", before=["sh", "-c", f"echo before >> {log}"], after=["sh", "-c", f"echo after >> {log}"],
        snapshot=["sh", "-c", f'echo rows > "$DRSTACK_POINT_FOLDER/rows"; echo snapshot >> {log}'],
    )  # fmt: skip
    found = taken(tmp_path, hook)
    assert found.point.made
    assert log.read_text().split() == ["before", "snapshot", "after"]
    assert (found.folder / "db" / "rows").read_text() == "rows\n"


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    hook = Commands("db", snapshot=["sh", "-c", f"sleep 60 & echo $! > {pids}; wait"], limit_s=0.5)
    found = taken(tmp_path, hook)
    assert "did not end within" in found.point.reason
    until = time.monotonic() + 10
    while _lives(int(pids.read_text())):
        assert time.monotonic() < until
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_functions_of_the_trainer_take_part(tmp_path):
    told: list[str] = []
    hook = Functions(
        "cache", before=lambda: told.append("before"), snapshot=lambda folder: (folder / "x").write_text("1"),
        after=lambda: told.append("after"),
    )  # fmt: skip
    assert taken(tmp_path, hook).point.participants[0].told == "1 files"
    assert told == ["before", "after"]


def test_what_is_kept_is_in_the_checkpoints_commit_and_comes_back(tmp_path):
    url = made(tmp_path / "repo")
    asked: list[str] = []
    systems, repositories = [Recorder("db", asked)], [open_at(url, None)]
    [done] = push_once(
        saved(tmp_path / "out", 5), repositories, workload="gpt", step=5, writer="standalone", systems=systems
    )
    assert not done["already"]
    repository, accepted = newest(url)
    assert accepted.what.point.made
    assert check_decoded(repository, accepted).ok
    assert restore_point(repository, accepted, tmp_path / "back").files == 1
    assert (tmp_path / "back" / "db" / "dump").read_text() == "db"


def test_without_a_point_the_checkpoint_stands_and_says_why(tmp_path):
    url = made(tmp_path / "repo")
    shipper = Shipper(url, workload="gpt", spool=tmp_path / "spool")
    assert shipper.submit(saved(tmp_path / "out", 5), 5, point=not_made("rank 3 did not come within 30 s"))
    assert shipper.wait(60) == ()
    shipper.close()
    repository, accepted = newest(url)
    assert accepted.what.point.reason == "rank 3 did not come within 30 s"
    with pytest.raises(NothingToRestore, match="rank 3"):
        restore_point(repository, accepted, tmp_path / "back")


@pytest.mark.slow
def test_a_point_survives_a_restart_of_the_spool(tmp_path):
    url = made(tmp_path / "repo")
    source = saved(tmp_path / "out", 5)
    spool = Spool(tmp_path / "spool" / "gpt")
    making = spool.pin(source, ["weights.bin", "state.json"])
    found = take_point([Recorder("db", [])], tmp_path / "point")
    found.move_to(making / "beside")
    snapshot = spool.keep_beside(making, take_snapshot(making / "files", ["weights.bin", "state.json"]), {})
    spool.admit(making, push(1, 5, point=found.point), "signature", snapshot)
    again = Shipper(url, workload="gpt", spool=tmp_path / "spool")
    assert again.wait(60) == ()
    again.close()
    repository, accepted = newest(url)
    assert accepted.what.point.made
    assert restore_point(repository, accepted, tmp_path / "back").files == 1


def test_a_file_names_the_systems_and_every_fault_in_it(tmp_path):
    path = tmp_path / "point.json"
    path.write_text(
        '{"systems": [{"kind": "commands", "name": "db", "snapshot": ["true"]},'
        ' {"kind": "mlflow", "artifacts": "/srv/mlruns", "postgres": {"PGHOST": "db", "PGDATABASE": "mlflow"}},'
        ' {"kind": "zfs", "name": "vol", "datasets": ["tank/a"]}]}'
    )
    assert [(system.name, system.kind) for system in read_point(path)] == [
        ("db", "commands"),
        ("mlflow", "mlflow"),
        ("vol", "zfs"),
    ]
    path.write_text(
        '{"systems": [{"kind": "mlflow", "artifacts": "/srv", "postgres": {"PGPASSWORD": "s3cr3tpw"}}, {"kind": "x"}]}'
    )
    with pytest.raises(ReplicatorError) as caught:
        read_point(path)
    assert "PGPASSWORD" in str(caught.value)
    assert "systems.1" in str(caught.value)
    assert "s3cr3tpw" not in str(caught.value)
    path.write_text('{"systems": [{"kind": "commands", "name": "../x"}]}')
    with pytest.raises(ReplicatorError, match="name"):
        read_point(path)
