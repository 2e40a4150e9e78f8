"""SIGTERM or a notice becomes a flag between two steps, a deadline, and exit code 75."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from replicator.errors import ReplicatorError
from replicator.train.notices import Notice
from replicator.train.notices.http import NoticeUnreadable
from replicator.train.preemption import Preemption
from tests.replicator.train.rig import PATIENCE_S, until


class Says:
    """A metadata service that answers these, one after another, then nothing."""

    poll_s = 0.01

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def look(self) -> Notice | None:
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_sigterm_sets_the_flag_and_gives_the_signal_back():
    before = signal.getsignal(signal.SIGTERM)
    with Preemption(cloud=None, grace_s=600) as notice:
        assert not notice
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: bool(notice), "SIGTERM is heard")
        assert notice.reason == "SIGTERM"
        assert notice.agreed()
        assert 0 < notice.remaining_s() < 600
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_plain_loop_ends_with_the_code_that_means_resume_me(tmp_path):
    loop = """
import sys, time
from replicator.train.preemption import Preemption
with Preemption(cloud=None) as notice:
    print("ready", flush=True)
    while not notice:
        time.sleep(0.01)
    print("saved", flush=True)
    notice.exit()
"""
    process = subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "saved\n"
    assert process.wait(PATIENCE_S) == 75


def test_a_certain_notice_brings_its_own_deadline():
    source = Says(None, Notice("taken", certain=True, ends_at=time.time() + 900))
    with Preemption(cloud=None, grace_s=5, notices=source) as notice:
        until(lambda: bool(notice), "the notice is heard")
        assert notice.reason == "taken"
        assert 600 < notice.remaining_s() <= 898
        os.kill(os.getpid(), signal.SIGTERM)
        until(lambda: notice.remaining_s() < 10, "SIGTERM's nearer deadline counts")


def test_a_warning_is_advice_once_and_no_reason_to_stop(caplog):
    warning = Notice("may go", certain=False)
    with Preemption(cloud=None, notices=Says(warning, warning, warning)) as notice:
        until(lambda: "may go" in caplog.text, "the warning is logged")
        until(lambda: not notice._notices.answers, "all are asked")
        assert notice.advice() == warning
        assert notice.advice() is None
        assert not notice


def test_a_service_in_trouble_is_said_once_and_asked_again(caplog):
    caplog.set_level(logging.WARNING)
    source = Says(NoticeUnreadable("HTTP 500"), NoticeUnreadable("HTTP 500"), Notice("taken", certain=True))
    with Preemption(cloud=None, notices=source) as notice:
        until(lambda: bool(notice), "the notice is heard in the end")
    assert caplog.text.count("HTTP 500") == 1


def test_no_time_at_all_is_refused():
    with pytest.raises(ReplicatorError, match="grace_s=0"):
        Preemption(grace_s=0)
