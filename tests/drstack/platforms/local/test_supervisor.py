"""Programs of a real supervisord that take their time to stop, and are started again meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from itertools import chain, repeat

import pytest

from drstack.platforms.local.supervisor import ProgramState, Supervisor
from drstack.platforms.local.waiting import Deadline

pytestmark = pytest.mark.slow
NAME = "slot-0"
PATIENCE_S = 60


@pytest.fixture
def supervisor(folder):
    return Supervisor(folder)


@pytest.fixture
def held(supervisor, site):
    """The process of a slot that was told to stop, and stands still."""
    site.set_capacity(1, deadline_s=PATIENCE_S)
    pid = supervisor.programs()[NAME].pid
    os.kill(pid, signal.SIGSTOP)
    supervisor.stop(NAME)
    assert supervisor.programs()[NAME].state == "STOPPING"
    return pid


def test_a_program_is_stopped_once_its_process_has_ended(supervisor, held):
    assert not supervisor.stopped(NAME, within_s=0.1)
    os.kill(held, signal.SIGCONT)
    assert supervisor.stopped(NAME, within_s=PATIENCE_S)
    assert supervisor.programs()[NAME].pid == 0
    assert supervisor.stopped("no such program", within_s=PATIENCE_S)


def test_all_who_start_a_program_that_is_about_to_stop_have_it_run_anew(supervisor, folder, held):
    failed: list[Exception] = []

    def start() -> None:
        try:
            Supervisor(folder).start(NAME)
        except Exception as error:  # noqa: BLE001 - asserted below
            failed.append(error)

    starting = [threading.Thread(target=start) for _ in range(3)]
    for each in starting:
        each.start()
    os.kill(held, signal.SIGCONT)
    for each in starting:
        each.join(PATIENCE_S)
    assert not failed
    assert Deadline(PATIENCE_S).until(lambda: supervisor.programs()[NAME].state == "RUNNING")
    assert supervisor.programs()[NAME].pid not in (0, held)


def test_who_starts_a_program_waits_for_no_process_that_somebody_else_started_meanwhile(folder, supervisor):
    class Between(Supervisor):
        """Looks once before the other, and then only afterwards."""

        looks = chain([ProgramState(NAME, "STOPPING", 7)], repeat(ProgramState(NAME, "RUNNING", 8)))

        def programs(self):
            return {NAME: next(self.looks)}

    between = Between(folder)
    between.start(NAME)
    assert supervisor.programs()[NAME].up
    assert not between.stopped(NAME, within_s=0), "it has a process"
