"""There and back on local sites with the real engine: nothing is lost, though the operator dies on the way home."""

from __future__ import annotations

import json

import pytest

from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, local_project

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
DECLARED = ENVIRONMENT.replace(f"{SLEEPER}]", f"{COUNTER}, --save-when-stopped]") + (
    "replication: {encrypt_to: [recovery, escrow]}\n"
)


@pytest.fixture
def project(tmp_path):
    with local_project(tmp_path, DECLARED) as made:
        yield made


def test_there_and_home_again_with_an_operator_who_dies_and_one_who_changes_his_mind(project):
    project.drstack("keys", "make", "local")
    for site in ("local.west", "local.east"):
        project.init(site)
        project.up(site)
    assert project.makes_steps("east")
    assert project.has_recovery_point()

    there = json.loads(project.drstack("switchover", "local", "--to", "west", "--yes", "--json"))
    (moved,) = there["workloads"]
    stopped = project.witness.journal(1, 1).outcome("quiesce gpt")["result"]["last_step"]
    assert (there["result"], moved["rpo_s"]) == ("switched over", 0.0)
    assert moved["step"] == stopped > 0
    assert project.job("west").resumed_step == stopped
    assert not project.job("east").running
    assert project.desired("east").slots == 1
    assert project.makes_steps("west", stopped)

    project.died_after("ship gpt", "failback", "local", "--yes")
    told = project.status()["running"]
    assert (told["kind"], told["target"], told["id"]) == ("switchover", "east", "2-1")
    home = json.loads(project.drstack("resume", "local", "--json"))
    (back,) = home["workloads"]
    assert back["step"] == project.witness.journal(2, 1).outcome("quiesce gpt")["result"]["last_step"] > stopped
    assert project.job("east").resumed_step == back["step"]
    assert project.witness.current().writer("gpt") == "east"
    assert "nothing to change" in project.up("local.east") or "unchanged" in project.up("local.east")
    assert project.job("east").running
    assert project.makes_steps("east", back["step"])

    project.died_after("quiesce gpt", "switchover", "local", "--to", "west", "--yes")
    last = project.witness.journal(3, 1).outcome("quiesce gpt")["result"]["last_step"]
    ended = json.loads(project.drstack("abort", "local", "--reason", "not today", "--json"))
    assert ended["writers"] == {"gpt": "east"}
    assert any("goes on at east" in each for each in ended["next"])
    assert project.witness.current().writer("gpt") == "east"
    assert project.makes_steps("east", last)
