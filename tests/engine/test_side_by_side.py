"""Two environments on one machine, one of them with three sites, under one root, witness and state: neither touches the other."""

from __future__ import annotations

import os

import pytest

from drstack.platforms.local import processes, teardown
from drstack.platforms.local.folder import site_folder
from drstack.platforms.local.waiting import Deadline
from drstack.platforms.registry import open_site
from drstack.provider.reach import open_witness
from drstack.witness.assignment import Assignment
from replicator.log.workload import WorkloadLog
from replicator.stores.local import LocalStore
from tests.engine.local_project import ENVIRONMENT, Project

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
SITES = ("east", "west", "north")
TRIO = ENVIRONMENT.replace("environment: local", "environment: trio").replace(
    "workloads:", "  north: {platform: local, slots: 3, capacity: 1}\nworkloads:"
)


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    (made.folder / "stacks" / "environments" / "trio.yaml").write_text(TRIO)
    try:
        yield made
    finally:
        for site in SITES:
            teardown.end_processes(site_folder(made.root / "sites" / "trio" / site), deadline_s=5)
        made.close()


class Trio:
    def __init__(self, project: Project) -> None:
        self.root = project.root / "sites" / "trio"
        self.witness = open_witness((project.root / "witness").as_uri(), "trio")

    def open(self, site: str):
        return open_site(self.witness.descriptor(site))

    def running(self, site: str) -> dict[int, str]:
        return {seen.pid: seen.command for seen in processes.of_site(site_folder(self.root / site)) if seen.ours}

    def term(self, site: str) -> int:
        store = LocalStore(site_folder(self.root / site).store)
        return WorkloadLog(store, "gpt", clock=lambda: 0.0, token=str).view().term

    def promote(self, site: str) -> None:
        """What a promotion leaves behind: an assignment, its open at the promoter, and turned actuators."""
        now = self.witness.current()
        term = now.workloads["gpt"].term + 1
        part = now.workloads["gpt"].model_copy(update={"writer": site, "term": term})
        made = Assignment(number=now.number + 1, workloads={"gpt": part}, cause="promote")
        assert self.witness.assign(made) == made
        store = LocalStore(site_folder(self.root / site).store)
        log = WorkloadLog(store, "gpt", clock=lambda: 0.0, token=lambda: os.urandom(8).hex())
        log.seal(term - 1, reason="promotion")
        log.open(made.opening("gpt"))
        self.open(site).set_capacity(3, deadline_s=60)
        self.open(site).start_job("gpt", token=f"promotion-{term}", resume_step=None, deadline_s=60)


def runs(opened, holds=lambda job: job.running) -> bool:
    return Deadline(60).until(lambda: holds(opened.observe(deadline_s=5).jobs["gpt"]), 0.2)


def test_neither_a_fence_nor_a_promotion_nor_an_update_of_one_reaches_the_other(project):
    project.init("local")
    project.init("trio")
    project.up("local")
    project.up("trio")
    trio = Trio(project)
    assert runs(project.open("east"))
    assert runs(trio.open("east"))
    assert project.witness.current().workloads["gpt"].term == trio.witness.current().workloads["gpt"].term == 1
    local = {site: project.running(site) for site in ("east", "west")}

    assert trio.open("east").fence(deadline_s=20).grade == "proven"
    assert not trio.open("east").observe(deadline_s=5).jobs["gpt"].running
    trio.promote("north")
    assert runs(trio.open("north"))
    project.refresh("trio")
    project.up("trio")
    assert [trio.term(site) for site in SITES] == [2, 2, 2]
    assert not trio.open("west").observe(deadline_s=5).jobs["gpt"].running
    assert runs(trio.open("north"))
    assert {site: project.running(site) for site in ("east", "west")} == local
    assert project.witness.current().number == 1

    north = trio.running("north")
    assert project.open("east").fence(deadline_s=20).grade == "proven"
    project.destroy("local")
    assert [project.running(site) for site in ("east", "west")] == [{}, {}]
    assert trio.running("north") == north

    trio.promote("west")
    assert trio.open("north").fence(deadline_s=20).grade == "proven"
    project.refresh("trio")
    project.up("trio")
    assert [trio.term(site) for site in SITES] == [3, 3, 3]
    assert runs(trio.open("west"))
    assert runs(trio.open("north"), holds=lambda job: not job.running)
    project.destroy("trio")
    assert [trio.running(site) for site in SITES] == [{}, {}, {}]


def test_an_environment_that_would_take_another_ones_folder_is_refused(project):
    second = ENVIRONMENT.replace("environment: local", "environment: second").replace(
        "east: {platform: local,", "east: {platform: local, folder: sites/local/east,"
    )
    (project.folder / "stacks" / "environments" / "second.yaml").write_text(second)
    project.init("local")
    project.init("second")
    project.up("local")
    assert runs(project.open("east"))
    before = project.running("east")
    said = project.up("second", succeeds=False)
    assert "has opened term 1" in said
    assert "If it is another environment's, give the site of this one a `folder` of its own." in said
    project.destroy("second")
    assert project.running("east") == before
