"""Local sites through the real engine and the real provider; the job is one that needs no torch."""

from __future__ import annotations

import os
import re
import shutil
import signal

import pytest

from drstack.platforms.local.supervisor import Supervisor
from drstack.platforms.local.waiting import Deadline
from drstack.witness.assignment import Assignment
from replicator.log.workload import WorkloadLog
from replicator.stores.local import LocalStore
from tests.engine.local_project import CHECKOUT, COUNTER, ENVIRONMENT, SLEEPER, local_project

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]


PROVED = ENVIRONMENT.replace(str(SLEEPER), str(COUNTER)) + "replication: {prove: {every: 1s, steps: 2, timeout: 60s}}\n"


@pytest.fixture
def project(tmp_path):
    with local_project(tmp_path) as made:
        yield made


def observed(project, site, holds, within_s=30):
    last = None

    def look():
        nonlocal last
        last = project.open(site).observe(deadline_s=5)
        return holds(last)

    assert Deadline(within_s).until(look, 0.2), last
    return last


def in_former_folders(text):
    """As earlier versions placed the sites of which a file does not say where they lie."""
    return re.sub(r"(east|west): \{platform: local,", r"\1: {platform: local, folder: sites/\1,", text)


def promote_west(project):
    """What a promotion leaves behind: a second assignment, its open at the promoter, and turned actuators."""
    first = project.witness.current()
    part = first.workloads["gpt"].model_copy(update={"writer": "west", "term": 2})
    second = Assignment(number=2, workloads={"gpt": part}, cause="promote")
    assert project.witness.assign(second) == second
    west = LocalStore(project.site("west").store)
    log = WorkloadLog(west, "gpt", clock=lambda: 0.0, token=lambda: os.urandom(8).hex())
    log.seal(1, reason="promotion")
    log.open(second.opening("gpt"))
    project.open("west").set_capacity(3, deadline_s=30)
    project.open("west").start_job("gpt", token="promotion", resume_step=None, deadline_s=30)


def values(project, site):
    """What actuators made active, and the processes that are it."""
    folder = project.site(site)
    return {
        "desired": folder.desired.read_bytes(),
        "slots": {name: state.pid for name, state in Supervisor(folder).programs().items()},
        "ranks": {path.name: path.read_bytes() for path in folder.run.glob("slot-*.json")},
    }


def before_the_package(state: str) -> str:
    """The state with the types that components had before other languages could use them."""
    return re.sub(r"drstack-components:index:(\w+)", r"drstack:components:\1", state)


def test_a_stack_for_each_site(project):
    shutil.copytree(CHECKOUT / "policies", project.folder / "policies")
    policed = ("--policy-pack", str(project.folder / "policies" / "run"))
    project.declare(PROVED.replace("witness: file:witness", f"witness: {project.site('east').path.as_uri()}/witness"))
    project.init("local.east")
    project.init("local.west")
    refused = project.pulumi("up", "-y", "-s", "local.east", *policed, succeeds=False)
    assert re.search(r"mandatory.* stores-apart", refused)
    assert "is lost with it: write witness: file:witness" in refused
    assert not project.sites.exists()
    project.declare(PROVED)
    assert "rehearsal-only" in project.up("local.east", *policed)
    project.up("local.west")

    east = observed(project, "east", lambda seen: (seen.jobs["gpt"].step or 0) > 3)
    assert (east.capacity, east.capacity_bound, east.replicator_running) == (3, 3, True)
    west = observed(project, "west", lambda seen: seen.replicator_running)
    assert (west.capacity, west.jobs["gpt"].running) == (1, False)
    [assignment] = project.witness.assignments()
    assert (assignment.cause, assignment.writer("gpt")) == ("create", "east")
    for site in ("east", "west"):
        store = LocalStore(project.site(site).store)
        assert WorkloadLog(store, "gpt", clock=lambda: 0.0, token=str).view().opened[1].writer == "east"

    proofs = project.site("west").store / "receipts" / "gpt"
    assert Deadline(60).until(lambda: any(proofs.glob("*/proved/west/*")), 0.2), west.proving
    assert re.search(r"; proved \d+ s ago \(step \d+\)", project.drstack("status", "local"))

    before = values(project, "east")
    project.rewrite("local.east", before_the_package)
    assert "drstack:components:GpuCluster east" in project.state("local.east")
    project.up("local.east", "--expect-no-changes")
    assert "drstack-components:index:GpuCluster east" in project.state("local.east")
    project.refresh("local.west")
    project.up("local.west", "--expect-no-changes")
    assert values(project, "east") == before

    project.init("local")
    refused = project.up("local", succeeds=False)
    assert "belongs to stack organization/drstack/local.east" in refused
    assert "pulumi destroy -s local.east" in refused
    assert "Traceback" not in refused
    assert values(project, "east") == before

    project.destroy("local.east")
    assert project.running("east") == {}
    assert (project.site("east").store / "log" / "gpt").is_dir()
    assert not project.site("east").record.exists()
    project.destroy("local.west")
    assert project.running("west") == {}
    assert not project.site("west").path.exists()
    assert len(project.witness.assignments()) == 1


def test_drift_is_told_by_refresh_and_mended_by_up(project):
    project.init("local")
    project.up("local")
    observed(project, "east", lambda seen: seen.jobs["gpt"].running)

    os.kill(Supervisor(project.site("east")).pid(), signal.SIGKILL)
    for name in project.running("west"):
        os.kill(name, signal.SIGKILL)
    shutil.rmtree(project.site("west").path)
    told = project.refresh("local")
    assert "supervisord is gone" in told
    kept = project.state("local")
    assert "drstack:local:Site west" not in kept
    assert kept["drstack:local:WorkerPool east"]["drift"] == ["supervisord is gone"]

    project.up("local")
    east = observed(project, "east", lambda seen: seen.jobs["gpt"].running and seen.replicator_running)
    assert east.capacity == 3
    west = observed(project, "west", lambda seen: seen.replicator_running)
    assert (west.capacity, west.jobs["gpt"].running) == (1, False)
    project.up("local", "--refresh", "--expect-no-changes")

    project.open("east").set_capacity(2, deadline_s=30)
    Supervisor(project.site("east")).stop("slot-1")
    assert "slot-1 is" in project.refresh("local")
    project.up("local")
    assert observed(project, "east", lambda seen: seen.jobs["gpt"].running).capacity == 2


def test_no_update_changes_what_a_promotion_made_active_where_it_was_made(project):
    project.sites = project.root / "sites"
    project.declare(in_former_folders(ENVIRONMENT))
    project.init("local.east")
    project.init("local.west")
    project.up("local.east")
    project.up("local.west")
    project.open("east").fence(deadline_s=20)
    promote_west(project)
    observed(project, "west", lambda seen: seen.jobs["gpt"].running)
    east, west = values(project, "east"), values(project, "west")

    unrelated = ENVIRONMENT.replace("rpo: 30s", "rpo: 60s") + "replication: {keep: 20}\n"
    project.declare(unrelated)
    for stack in ("local.west", "local.east"):
        project.up(stack, "--refresh=false")
    assert (values(project, "east"), values(project, "west")) == (east, west)

    (project.root / "witness").rename(project.root / "gone")
    for stack in ("local.west", "local.east"):
        assert "The witness is away" in project.up(stack, "--refresh=false")
        project.refresh(stack)
    for stack in ("local.west", "local.east"):
        project.up(stack)
    assert (values(project, "east"), values(project, "west")) == (east, west)
    (project.root / "gone").rename(project.root / "witness")

    project.refresh("local.west")
    project.up("local.west", "--expect-no-changes")
    assert values(project, "west") == west

    project.refresh("local.east")
    project.up("local.east")
    back = observed(project, "east", lambda seen: seen.replicator_running)
    assert (back.capacity, back.jobs["gpt"].running) == (1, False)
    store = LocalStore(project.site("east").store)
    assert WorkloadLog(store, "gpt", clock=lambda: 0.0, token=str).view().term == 2
    assert values(project, "west") == west


def test_a_site_that_died_as_writer_comes_back_as_a_standby(project):
    project.init("local")
    project.up("local")
    observed(project, "east", lambda seen: seen.jobs["gpt"].running)
    os.kill(Supervisor(project.site("east")).pid(), signal.SIGKILL)
    promote_west(project)
    west = values(project, "west")
    project.refresh("local")
    project.up("local")
    back = observed(project, "east", lambda seen: seen.replicator_running)
    assert (back.capacity, back.jobs["gpt"].running, back.jobs["gpt"].ranks) == (1, False, 0)
    assert values(project, "west") == west
