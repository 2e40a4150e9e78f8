"""RPO 0 at local sites through the real engine: declared, saves wait for the near site, and stall while it is dead."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from drstack.platforms.local.replicator import start_replicator, stop_replicator
from replicator.repository.repository import Repository
from replicator.stores.local import LocalStore
from tests.engine.local_project import ENVIRONMENT, SLEEPER, local_project

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(300)]
SAVER = Path(__file__).with_name("acknowledged_saver.py")
DECLARED = (
    ENVIRONMENT.replace(f"{SLEEPER}], ranks: 2", f"{SAVER}], ranks: 1").replace("rpo: 30s", "rpo: 0s")
    + "replication: {near: {east: west}, acknowledge: {gpt: near}}\n"
)


@pytest.fixture
def project(tmp_path):
    with local_project(tmp_path) as made:
        yield made


def acknowledged(project) -> list[list[str]]:
    file = project.site("east").path / "checkpoints" / "acknowledged.txt"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def until(condition, within_s=60.0):
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not come about")


def test_saves_wait_for_the_near_site_and_stall_while_it_is_dead(project):
    project.declare(DECLARED)
    project.init("local.east")
    project.init("local.west")
    project.up("local.west")
    project.up("local.east")
    until(lambda: len(acknowledged(project)) >= 2)
    near = Repository("west", LocalStore(project.site("west").store))
    for _, commit, by in acknowledged(project):
        assert by == "west"
        accepted = next(a for key, a in near.log("gpt").view().accepted.items() if str(key) == commit)
        assert all(near.receipts.levels("gpt", accepted.slot, ("stored", "decoded")).values())

    stop_replicator(project.site("west"), deadline_s=20)
    store, away = project.site("west").store, project.site("west").path / "away"
    store.rename(away)
    time.sleep(0.5)  # an acknowledgement that was on its way
    held = len(acknowledged(project))
    time.sleep(3.0)
    assert len(acknowledged(project)) == held, "RPO 0 became asynchronous"
    saved = list((project.site("east").path / "checkpoints" / "gpt").glob("step-*"))
    assert len(saved) == held + 1, "the trainer went on past a save that nobody acknowledged"

    away.rename(store)
    start_replicator(project.site("west"), deadline_s=20)
    until(lambda: len(acknowledged(project)) > held)
