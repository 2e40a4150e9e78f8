"""The real engine, killed in the middle: after repair and update everything is there, and nothing twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from drstack.errors import EngineFailed
from drstack.reconcile.locks import FOLDER
from drstack.reconcile.lookup import ByPackage
from drstack.reconcile.mend import mend
from drstack.reconcile.processes import RUN_ID, processes, variables
from drstack.reconcile.update import bring_up
from tests.engine.fleet import CALLER, STACK, Fleet, usable
from tests.replicator.stores.s3_servers import credentials, moto

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def fleet(tmp_path: Path):
    made = usable(tmp_path, "file:state")
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)


def test_a_bare_pulumi_up_after_the_kill_would_make_a_second_disk(fleet: Fleet):
    """Why there is a repair at all. The day this fails, the engine does it by itself."""
    fleet.declare(a={})
    fleet.kill_in("create-after")
    fleet.engine.read(["cancel", "--yes", "--stack", STACK])
    fleet.engine.up(STACK)
    assert fleet.disks() == ["a", "a"]


def test_a_disk_that_was_made_is_taken_up(fleet: Fleet):
    fleet.declare(a={}, b={})
    fleet.kill_in("create-after")
    updated = bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert [urn.rpartition("::")[2] for urn in updated.mended.adopted] == ["a"]
    assert updated.mended.ended
    assert fleet.disks() == ["a", "b"]
    assert fleet.settled()
    assert not fleet.engine.preview(STACK, refresh=True).changed


def test_a_disk_that_was_not_made_is_made(fleet: Fleet):
    fleet.declare(a={}, b={})
    fleet.kill_in("create-before")
    updated = bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert [urn.rpartition("::")[2] for urn in updated.mended.dropped] == ["a"]
    assert fleet.disks() == ["a", "b"]
    assert fleet.settled()


def test_a_convergent_create_needs_no_look_up(fleet: Fleet):
    fleet.engine.settings["CLOUDLET_CONVERGENT"] = "1"  # type: ignore[index]
    fleet.declare(a={})
    fleet.kill_in("create-after")
    updated = bring_up(fleet.engine, STACK, lookup=ByPackage({}, convergent={"cloudlet"}))
    assert updated.mended.dropped
    assert fleet.disks() == ["a"]
    assert fleet.settled()


def test_without_a_look_up_it_refuses_and_the_state_stays_as_it_was(fleet: Fleet):
    fleet.declare(a={})
    fleet.kill_in("create-after")
    for _ in range(2):
        with pytest.raises(EngineFailed) as error:
            bring_up(fleet.engine, STACK)
        assert "cloudlet:index:Disk::a" in str(error.value)
        assert fleet.written_pending()
    bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert fleet.disks() == ["a"]
    assert fleet.settled()


def test_a_replacement_cut_off_in_its_create_ends_with_the_new_disk_only(fleet: Fleet):
    fleet.declare(a={"zone": "1"}, b={})
    fleet.engine.up(STACK)
    fleet.declare(a={"zone": "2"}, b={})
    fleet.kill_in("create-after")
    assert fleet.disks() == ["a", "a", "b"]
    bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert fleet.disks() == ["a", "b"]
    assert fleet.settled()
    assert {json.loads(file.read_text()).get("zone") for file in (fleet.world / "disks").iterdir()} == {"2", None}


def test_an_update_that_was_cut_off_is_finished(fleet: Fleet):
    fleet.declare(a={"size": "1"})
    fleet.engine.up(STACK)
    fleet.declare(a={"size": "2"})
    fleet.kill_in("update-after")
    bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert [json.loads(file.read_text())["size"] for file in (fleet.world / "disks").iterdir()] == ["2"]
    assert fleet.settled()


def test_a_destroy_that_was_cut_off_can_be_taken_up(fleet: Fleet):
    fleet.declare(a={}, b={})
    fleet.engine.up(STACK)
    fleet.kill_in("delete-before", "destroy")
    mend(fleet.engine, STACK, lookup=fleet.lookup)
    fleet.engine.destroy(STACK)
    assert fleet.disks() == []
    assert fleet.settled()


def test_a_lock_of_another_host_is_left_alone(fleet: Fleet):
    fleet.declare(a={})
    fleet.engine.up(STACK)
    lock = fleet.folder / "root" / "state" / FOLDER / "fleet" / STACK / "x.json"
    lock.write_text(json.dumps({"pid": 4, "username": "ana", "hostname": f"not-{socket.gethostname()}"}))
    with pytest.raises(EngineFailed, match="ana on not-"):
        bring_up(fleet.engine, STACK)
    assert lock.exists()


def test_a_stale_lock_in_a_bucket_is_found_where_the_engine_keeps_it(tmp_path: Path):
    with credentials(), moto() as server:
        server.make_bucket("state")
        made = usable(tmp_path, f"s3://state/acme?region=us-east-1&endpoint={server.endpoint}&s3ForcePathStyle=true")
        made.declare(a={})
        dead = subprocess.Popen(["true"])
        dead.wait()
        body = {"pid": dead.pid, "username": "ana", "hostname": socket.gethostname()}
        key = f"{FOLDER}/fleet/{STACK}"
        server.store("state", f"acme/{key}").create("stale.json", json.dumps(body).encode())
        with pytest.raises(EngineFailed, match="currently locked"):
            made.engine.up(STACK)
        assert bring_up(made.engine, STACK).mended.locks == ("gpt.east/stale.json",)
        assert made.disks() == ["a"]


def start_caller(fleet: Fleet) -> subprocess.Popen[bytes]:
    (fleet.world / "hang").write_text("create-after")
    command = [sys.executable, "-c", CALLER, str(fleet.folder), json.dumps(fleet.engine.settings), STACK]
    caller = subprocess.Popen(command)
    fleet.wait((fleet.world / "reached").exists)
    fleet.wait(fleet.written_pending)
    (fleet.world / "hang").unlink()
    return caller


def test_kill_9_of_the_caller_ends_the_engine_and_its_plugins_within_ten_seconds(fleet: Fleet):
    fleet.declare(a={}, b={})
    caller = start_caller(fleet)
    caller.kill()
    caller.wait()
    fleet.wait(lambda: not fleet.processes(), timeout_s=10)
    bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert fleet.disks() == ["a", "b"]
    assert fleet.settled()


def test_kill_9_of_caller_leash_and_engine_at_once_is_repaired(fleet: Fleet):
    fleet.declare(a={}, b={})
    caller = start_caller(fleet)
    engine = json.loads(fleet.locks()[0].read_text())["pid"]
    leash = next(p.pid for p in processes() if p.parent == caller.pid and RUN_ID in variables(p.pid))
    for pid in (caller.pid, leash, engine):
        os.kill(pid, signal.SIGKILL)
    caller.wait()
    assert fleet.processes()
    assert list((fleet.folder / "root" / "runs").glob("*/run.json"))
    updated = bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert updated.mended.ended
    assert fleet.disks() == ["a", "b"]
    assert fleet.settled()
    assert not list((fleet.folder / "root" / "runs").glob("*/run.json"))


def test_a_stack_in_order_is_left_alone(fleet: Fleet):
    fleet.declare(a={})
    fleet.engine.up(STACK)
    before = fleet.engine.export(STACK)
    assert not mend(fleet.engine, STACK).anything
    assert fleet.engine.export(STACK) == before


def test_an_update_whose_time_is_over_is_ended(fleet: Fleet):
    fleet.declare(a={})
    (fleet.world / "hang").write_text("create-after")
    with pytest.raises(EngineFailed, match="did not end within 6 s"):
        fleet.engine.up(STACK, timeout_s=6)
    assert not fleet.processes()


def test_a_program_that_fails_is_told_in_its_own_words(fleet: Fleet):
    (fleet.folder / "program" / "__main__.py").write_text("raise RuntimeError('no slots left')\n")
    with pytest.raises(EngineFailed, match="no slots left") as error:
        fleet.engine.up(STACK)
    assert error.value.exit_code == 30
