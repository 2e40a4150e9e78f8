"""Guests of a site: found by their mark and ended, whoever started them, and nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from drstack.platforms.local.folder import SiteFolder
from drstack.platforms.local.guests import DRILL, HOST, end_drill, end_guests, marked, marks
from drstack.platforms.local.waiting import Deadline

SLEEP = "import time; time.sleep(300)"


@pytest.fixture
def spawn(tmp_path):
    started = []

    def start(environ, code=SLEEP):
        process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **environ}, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def test_the_guests_of_a_site_are_ended_though_they_are_stopped_and_others_are_not(tmp_path, spawn):
    host, other = SiteFolder(tmp_path / "west"), SiteFolder(tmp_path / "west2")
    guest = spawn(marks(host, tmp_path / "drill"))
    stranger = spawn(marks(other, tmp_path / "drill2"))
    unmarked = spawn({})
    assert Deadline(20).until(lambda: marked(HOST, host.path) == [guest.pid])
    guest.send_signal(signal.SIGSTOP)
    assert end_guests(host, within_s=20) == []
    assert guest.wait(10) == -signal.SIGKILL
    assert stranger.poll() is None
    assert unmarked.poll() is None


def test_a_drill_is_ended_with_all_that_it_started(tmp_path, spawn):
    starts = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True); {SLEEP}"
    )
    parent = spawn(marks(SiteFolder(tmp_path / "west"), tmp_path / "drill"), starts)
    assert Deadline(20).until(lambda: len(marked(DRILL, tmp_path / "drill")) == 2)
    assert end_drill(tmp_path / "drill", within_s=20) == []
    assert parent.wait(10) == -signal.SIGKILL
    assert marked(DRILL, tmp_path / "drill") == []
