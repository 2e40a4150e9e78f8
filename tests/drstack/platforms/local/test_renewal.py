"""A site whose interpreter is gone, as after the loss of the operator's environment that made it."""

import sys
from pathlib import Path

import pytest

from drstack.platforms.local.supervisor import Supervisor

pytestmark = pytest.mark.slow
LOST = "/nowhere/operator/bin/python"


def lose_interpreter(folder):
    pool = folder.programs / "pool.conf"
    pool.write_text(pool.read_text().replace(sys.executable, LOST))
    Supervisor(folder).reread()
    folder.interpreter.write_text(f"{LOST}\n")


def pids(folder):
    return {name: state.pid for name, state in Supervisor(folder).programs().items() if name.startswith("slot-")}


def test_capacity_comes_by_the_callers_interpreter(folder, site):
    lose_interpreter(folder)
    site.set_capacity(2, deadline_s=60)
    assert site.observe(deadline_s=5).capacity == 2
    assert folder.interpreter.read_text().strip() == sys.executable
    assert LOST not in (folder.programs / "pool.conf").read_text()


def test_idle_slots_are_started_anew_and_those_that_run_a_rank_go_on(folder, site):
    site.set_capacity(2, deadline_s=60)
    site.start_job("gpt", token="a", resume_step=None, deadline_s=60)
    site.set_capacity(3, deadline_s=60)
    before = pids(folder)
    folder.interpreter.write_text(f"{LOST}\n")
    site.set_capacity(3, deadline_s=60)
    after = pids(folder)
    assert (after["slot-0"], after["slot-1"]) == (before["slot-0"], before["slot-1"])
    assert after["slot-2"] not in (0, before["slot-2"])
    assert site.observe(deadline_s=5).jobs["gpt"].running
    assert Path(folder.interpreter.read_text().strip()) == Path(sys.executable)
