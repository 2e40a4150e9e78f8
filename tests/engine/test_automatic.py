"""Two observers beside local sites with the real engine and real processes: who trains is started again, what one of them
alone has lost sight of is left alone, and a site that is gone is promoted away from by one of them, without a person.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from drstack.platforms.local.waiting import Deadline
from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, local_project
from tools.notrun import not_run

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
AUTOMATIC = """\
leases: {ttl: 9s, renew: 1s, pause: 2s, drift: 100ms}
promotion: {automatic: true, observers: [a, b], after: 4s, looks: 3}
"""
DECLARED = (
    ENVIRONMENT.replace("rpo: 30s", "rpo: 20m").replace(f"{SLEEPER}]", f"{COUNTER}, --save-when-stopped, --anew]")
    + AUTOMATIC
)


@pytest.fixture
def project(tmp_path):
    with local_project(tmp_path, DECLARED) as made:
        yield made


def brought_up(project):
    for site in ("local.west", "local.east"):
        project.init(site)
        project.up(site)
    assert project.makes_steps("east")
    assert project.has_recovery_point()


@contextmanager
def observing(project, name, *, without=None):
    """An observer as a process of its own; `without`: a site whose folder it cannot see, by a mount of its own."""
    command = [sys.executable, "-m", "drstack", "observe", "local", "--as", name, "--every", "1", "--json"]
    if without is not None:
        hide = f"mount -t tmpfs none '{project.site(without).path}' && exec \"$@\""
        command = ["unshare", "-rm", "sh", "-c", hide, "sh", *command]
    log = project.folder / f"observer-{name}.jsonl"
    with log.open("ab") as told:
        process = subprocess.Popen(
            command, cwd=project.folder, env=project.environ(), stdin=subprocess.DEVNULL, stdout=told,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield log
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def told(project):
    return json.loads(project.drstack("automatic", "local", "--json"))


def ranks(project, site):
    shown = [json.loads(path.read_text()) for path in project.site(site).run.glob("slot-*.json")]
    return [each["child"] for each in shown if each.get("workload") == "gpt" and each.get("child")]


def stood_alone(project):
    """One observer is cut off from the writer alone: a partition, and nothing is done."""
    with observing(project, "a"), observing(project, "b", without="east") as log:
        assert Deadline(60).until(lambda: told(project)["sites"].get("east") == "partition", 0.5), log.read_text()
        assert Deadline(60).until(lambda: "a partition, not a death" in log.read_text(), 0.5), log.read_text()
        time.sleep(6)  # longer than `after`: nothing may come of it
        assert told(project)["sites"]["east"] == "partition"
        assert len(project.witness.assignments()) == 1


def started_again(project):
    """Its trainer alone is killed, and cannot begin anew beside its own checkpoints: observers start it from the newest."""
    before, killed = project.job("east"), ranks(project, "east")
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert Deadline(60).until(
        lambda: set(ranks(project, "east")).isdisjoint(killed) and project.job("east").running, 0.2
    )
    assert Deadline(60).until(lambda: (project.job("east").step or 0) > (before.step or 0), 0.2)
    assert len(project.witness.assignments()) == 1
    (repair, *_) = told(project)["repairs"]
    assert (repair["site"], repair["remedy"], repair["workload"]) == ("east", "restart", "gpt")
    assert repair["result"].startswith("done: started from step")


def stood_still(project):
    """The holder of its lease stands still: what trains is stopped, and goes on once the lease is renewed."""
    (holder,) = [pid for pid, command in project.running("east").items() if "platforms.local.holder" in command]
    os.kill(holder, signal.SIGSTOP)
    try:
        assert Deadline(60).until(lambda: not ranks(project, "east"), 0.1)
        stopped = project.job("east").step
        time.sleep(2)
        assert project.job("east").step == stopped
    finally:
        os.kill(holder, signal.SIGCONT)
    assert Deadline(60).until(lambda: (project.job("east").step or 0) > stopped, 0.2)


def test_sites_beside_two_observers(project):
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        not_run("mount namespaces are not allowed here")
    brought_up(project)
    stood_alone(project)
    with observing(project, "a") as one, observing(project, "b") as other:
        assert Deadline(60).until(lambda: told(project)["sites"].get("east") == "seen", 0.5)
        started_again(project)
        stood_still(project)
        project.lose("east")
        assert Deadline(120).until(lambda: len(project.witness.assignments()) == 2, 0.5), (
            one.read_text() + other.read_text()
        )
        journal = project.witness.journal(1, 1)
        assert Deadline(120).until(lambda: journal.ended() is not None, 0.5), one.read_text() + other.read_text()
    plan, end = journal.plan(), journal.ended()
    assert plan["by"] in ("automatic (a)", "automatic (b)")
    assert (plan["consents"], end["result"], end["failures"]) == ([], "promoted", 0)
    assert [row["grade"] for row in end["fences"]] == ["lease-expired"]
    assert project.witness.current().writer("gpt") == "west"
    assert Deadline(60).until(lambda: project.job("west").running, 0.2)
    assert not project.witness.journal(1, 2).records()
    acts = [json.loads(line)["act"] for log in (one, other) for line in log.read_text().splitlines() if line[0] == "{"]
    assert "promote" in acts
    told_now = told(project)
    assert (told_now["promotions_in_period"], told_now["automatic"]) == (1, True)
