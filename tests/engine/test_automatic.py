"""Leases on local sites with the real engine and real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest

from drstack.platforms.local.waiting import Deadline
from tests.engine.local_project import ENVIRONMENT, SLEEPER, Project
from tests.engine.test_encrypted_stacks import COUNTER

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
LEASES = "leases: {ttl: 6s, renew: 1s, pause: 1s, drift: 100ms}\n"
DECLARED = ENVIRONMENT.replace(f"{SLEEPER}]", f"{COUNTER}, --save-when-stopped]") + LEASES


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


def status(project):
    return json.loads(project.drstack("status", "local", "--json"))


def brought_up(project):
    for site in ("local.west", "local.east"):
        project.init(site)
        project.up(site)
    assert Deadline(60).until(lambda: job(project, "east").running and (job(project, "east").step or 0) > 0, 0.2)
    assert Deadline(60).until(lambda: status(project)["workloads"]["gpt"]["recovery_point"] is not None, 0.5)


def lose(project, site):
    """Kill every process of a site and take its folder."""
    for _ in range(20):
        running = project.running(site)
        for pid in running:
            os.kill(pid, signal.SIGKILL)
        if not running:
            break
    shutil.rmtree(project.site(site).path)


def test_a_lost_site_is_waited_for_to_the_end_of_its_lease(project):
    brought_up(project)
    lose(project, "east")
    end = json.loads(project.drstack("promote", "local", "--to", "west", "--yes", "--json"))
    assert [row["grade"] for row in end["fences"]] == ["lease-expired"]
    assert job(project, "west").running
