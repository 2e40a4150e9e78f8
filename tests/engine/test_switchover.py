"""There and back on local sites with the real engine: nothing is lost, though the operator dies on the way home."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from drstack.platforms.local.waiting import Deadline
from tests.engine.local_project import ENVIRONMENT, SLEEPER, Project
from tests.engine.test_encrypted_stacks import COUNTER

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
DECLARED = ENVIRONMENT.replace(f"{SLEEPER}]", f"{COUNTER}, --save-when-stopped]") + (
    "replication: {encrypt_to: [recovery, escrow]}\n"
)


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    made.declare(DECLARED)
    try:
        yield made
    finally:
        made.close()


def job(project, site):
    return project.open(site).observe(deadline_s=10).jobs["gpt"]


def makes_steps(project, site, above=0):
    return Deadline(60).until(lambda: (job(project, site).first_step or 0) > above and job(project, site).running, 0.2)


def recovery_point(project):
    return json.loads(project.drstack("status", "local", "--json"))["workloads"]["gpt"]["recovery_point"]


def die_after(project, command, step):
    """Run it, and kill it once a step of its operation has its outcome."""
    process = subprocess.Popen(
        [sys.executable, "-m", "drstack", *command], cwd=project.folder, env=project.environ(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    base = len(project.witness.assignments())
    ends = time.monotonic() + 60
    try:
        while time.monotonic() < ends and process.poll() is None:
            found = project.witness.journals(base)
            if found and found[-1].outcome(step) is not None:
                return
            time.sleep(0.02)
        pytest.fail(f"{step} did not come about")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def test_there_and_home_again_with_an_operator_who_dies_and_one_who_changes_his_mind(project):
    project.drstack("keys", "make", "local")
    for site in ("local.west", "local.east"):
        project.init(site)
        project.up(site)
    assert makes_steps(project, "east")
    assert Deadline(60).until(lambda: recovery_point(project) is not None, 0.5)

    there = json.loads(project.drstack("switchover", "local", "--to", "west", "--yes", "--json"))
    (moved,) = there["workloads"]
    stopped = project.witness.journal(1, 1).outcome("quiesce gpt")["result"]["last_step"]
    assert (there["result"], moved["rpo_s"]) == ("switched over", 0.0)
    assert moved["step"] == stopped > 0
    assert job(project, "west").resumed_step == stopped
    assert not job(project, "east").running
    assert project.desired("east").slots == 1
    assert makes_steps(project, "west", stopped)

    die_after(project, ["failback", "local", "--yes"], "ship gpt")
    told = json.loads(project.drstack("status", "local", "--json"))["running"]
    assert (told["kind"], told["target"], told["id"]) == ("switchover", "east", "2-1")
    home = json.loads(project.drstack("resume", "local", "--json"))
    (back,) = home["workloads"]
    assert back["step"] == project.witness.journal(2, 1).outcome("quiesce gpt")["result"]["last_step"] > stopped
    assert job(project, "east").resumed_step == back["step"]
    assert project.witness.current().writer("gpt") == "east"
    assert "nothing to change" in project.up("local.east") or "unchanged" in project.up("local.east")
    assert job(project, "east").running
    assert makes_steps(project, "east", back["step"])

    die_after(project, ["switchover", "local", "--to", "west", "--yes"], "quiesce gpt")
    last = project.witness.journal(3, 1).outcome("quiesce gpt")["result"]["last_step"]
    ended = json.loads(project.drstack("abort", "local", "--reason", "not today", "--json"))
    assert ended["writers"] == {"gpt": "east"}
    assert any("goes on at east" in each for each in ended["next"])
    assert project.witness.current().writer("gpt") == "east"
    assert makes_steps(project, "east", last)
