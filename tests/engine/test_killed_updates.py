"""`pulumi up` killed at moments that nobody chose: the next `drstack up` ends with each disk once, and nothing left over."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drstack.errors import EngineFailed
from drstack.reconcile.processes import RUN_ID, command, processes, variables
from drstack.reconcile.survivors import is_engine
from drstack.reconcile.update import bring_up
from tests.engine.fleet import CALLER, STACK, Fleet, usable
from tools.cases import Cases, chosen

pytestmark = [pytest.mark.engine, pytest.mark.slow]
DISKS = ("a", "b", "c", "d")
VICTIMS = ("engine", "caller", "leash", "all")


@pytest.fixture
def fleet(tmp_path: Path):
    made = usable(tmp_path, "file:state")
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)


def start(fleet: Fleet) -> subprocess.Popen[bytes]:
    settings = json.dumps({**fleet.engine.settings, "CLOUDLET_SLOW_S": "0.3"})
    return subprocess.Popen(
        [sys.executable, "-c", CALLER, str(fleet.folder), settings, STACK], stderr=subprocess.DEVNULL
    )


def victims(fleet: Fleet, caller: subprocess.Popen[bytes], whom: str) -> list[int]:
    engine = [json.loads(lock.read_text())["pid"] for lock in fleet.locks()]
    leash = [p.pid for p in processes() if p.parent == caller.pid and RUN_ID in variables(p.pid)]
    own = [] if caller.poll() is not None else [caller.pid]
    return {"engine": engine, "caller": own, "leash": leash, "all": [*own, *leash, *engine]}[whom]


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it ended by itself meanwhile
            continue


@pytest.mark.faults("killed updates", 2, 24)
@pytest.mark.parametrize("seed", chosen(2, 24))
def test_killed_at_random_again_and_again_it_converges(fleet: Fleet, seed: int, cases: Cases):
    cases.one(seed)
    chance = random.Random(seed)
    fleet.declare(**{name: {} for name in DISKS})
    for _ in range(2):
        caller = start(fleet)
        fleet.wait(lambda running=caller: fleet.locks() or running.poll() is not None)
        time.sleep(chance.uniform(0, 4))
        whom = chance.choice(VICTIMS)
        kill(victims(fleet, caller, whom))
        caller.wait(60)
        fleet.wait(lambda: not any(is_engine(command(pid)) for pid in fleet.processes()))
        if chance.random() < 0.5:
            kill(fleet.processes())
        updated = bring_up(fleet.engine, STACK, lookup=fleet.lookup)
        assert fleet.disks() == list(DISKS), (whom, updated.mended)
        assert fleet.settled()
        taken = chance.choice(DISKS)
        fleet.declare(**{name: {} for name in DISKS if name != taken})
        bring_up(fleet.engine, STACK, lookup=fleet.lookup)
        fleet.declare(**{name: {} for name in DISKS})
    bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert not fleet.engine.preview(STACK, refresh=True).changed


def test_the_lock_of_an_update_that_runs_is_respected(fleet: Fleet):
    fleet.declare(a={})
    (fleet.world / "hang").write_text("create-after")
    caller = start(fleet)
    fleet.wait((fleet.world / "reached").exists)
    fleet.wait(fleet.written_pending)
    running = fleet.processes()
    with pytest.raises(EngineFailed, match="runs"):
        bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert fleet.locks()
    assert set(running) <= set(fleet.processes())
    assert caller.poll() is None
    (fleet.world / "hang").unlink()
    caller.kill()
    caller.wait()
    fleet.wait(lambda: not fleet.processes())
    bring_up(fleet.engine, STACK, lookup=fleet.lookup)
    assert fleet.disks() == ["a"]
