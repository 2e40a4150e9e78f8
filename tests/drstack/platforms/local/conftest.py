import os
from pathlib import Path

import pytest

from drstack.platforms.local import jobs, pool, teardown
from drstack.platforms.local.desired import Program
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.ownership import SiteRecord, claim
from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.registry import open_site

SLEEPER = Path(__file__).with_name("sleeper.py")


def descriptor(folder):
    return {
        "version": 1, "platform": "local", "environment": "test", "site": "east", "owner": "o/p/test.east",
        "folder": str(folder.path), "repository": folder.store.as_uri(), "capacity": {"minimum": 0, "maximum": 3},
        "workloads": {"gpt": {"checkpoints": str(folder.checkpoints("checkpoints/gpt")),
                              "metrics": str(folder.metrics("gpt")), "ranks": 2}},
    }  # fmt: skip


@pytest.fixture
def leash(tmp_path):
    """A FIFO whose write end dies with this process, and with the test."""
    fifo = tmp_path / "leash"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    yield str(fifo)
    os.close(writer)


@pytest.fixture
def folder(tmp_path, leash):
    """A site with supervisord, a pool of none of three slots, and a job of two ranks."""
    made = site_folder(tmp_path / "a site 100%")
    claim(made, SiteRecord("test", None, "east", "o/p/test.east"))
    made.make()
    Supervisor(made).ensure(fifo=leash)
    pool.ensure_pool(made, pool.Bounds(0, 3), initial_slots=0, writes=())
    program = Program(None, ("python", str(SLEEPER), str(tmp_path / "fail")), (), {"SLEEPER": "1"}, "checkpoints/gpt")
    jobs.define(made, jobs.JobDefinition("gpt", 2, program))
    yield made
    teardown.end_processes(made)


@pytest.fixture
def site(folder):
    return open_site(descriptor(folder))
