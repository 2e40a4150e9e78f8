"""The witness of real sites that write is emptied: nothing is founded anew, it is put back, and a promotion works from it."""

from __future__ import annotations

import json

import pytest

from drstack.platforms.local import teardown
from drstack.platforms.local.waiting import Deadline
from drstack.platforms.registry import open_site
from drstack.provider.reach import open_witness
from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, local_project, refused

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
DECLARED = ENVIRONMENT.replace(f"{SLEEPER}]", f"{COUNTER}, --save-when-stopped]").replace("rpo: 30s", "rpo: 1h") + (
    "replication: {encrypt_to: [recovery, escrow]}\n"
)


@pytest.fixture
def project(tmp_path):
    with local_project(tmp_path, DECLARED) as made:
        yield made


def status(project):
    return json.loads(project.drstack("status", "local", "--json"))


def stored_steps(project):
    return status(project)["workloads"]["gpt"]["recovery_point"]["step"]


def test_an_emptied_witness_is_put_back_while_the_site_writes_on(project):
    project.drstack("keys", "make", "local")
    project.drstack("up", "local", "--yes")
    assert Deadline(120).until(lambda: status(project)["workloads"]["gpt"]["recovery_point"] is not None, 0.5)
    project.drstack("switchover", "local", "--to", "west", "--yes")
    before, identity = project.witness.assignments(), project.witness.environment_id()
    running = set(project.running("west"))

    witness = project.root / "witness"
    witness.rename(witness.with_name("lost"))
    code, said = refused(project, "witness", "repair", "local", "--reason", "is it lost, or away?")
    assert code == 22, said
    assert not witness.exists(), "a folder that is not there may be a mount that is away"
    witness.mkdir()
    _, said = refused(project, "up", "local", "--yes", "--refresh")
    assert "drstack witness repair" in said
    assert not list(witness.rglob("assignments/*")), "nothing was founded a second time"
    code, said = refused(project, "promote", "local", "--to", "east", "--yes")
    assert code == 21
    assert "drstack witness repair local --plan" in said

    planned = json.loads(project.drstack("witness", "repair", "local", "--plan", "--json"))
    assert not planned["written"]
    assert [(each["number"], each["writers"]["gpt"]) for each in planned["missing"]] == [
        (1, "east"), (2, "west"), (3, "west"),
    ]  # fmt: skip
    assert not list(witness.rglob("assignments/*"))
    told = project.drstack("witness", "repair", "local", "--reason", "the folder was deleted")
    assert "Next: drstack up local --refresh" in told
    assert project.witness.environment_id() == identity
    assert [each.workloads for each in project.witness.assignments()[:2]] == [each.workloads for each in before]
    assert "has all that the repositories know" in project.drstack("witness", "repair", "local", "--reason", "again")
    assert "repair" in project.drstack("witness", "show", "local")

    project.drstack("up", "local", "--yes", "--refresh")
    assert running <= set(project.running("west")), "who trained went on"
    reached = stored_steps(project)
    assert Deadline(120).until(lambda: stored_steps(project) > reached, 0.5), "and ships on"
    end = json.loads(project.drstack("promote", "local", "--to", "east", "--yes", "--json"))
    assert (end["result"], end["number"]) == ("promoted", 4)
    assert project.witness.current().writer("gpt") == "east"
    assert Deadline(60).until(lambda: project.open("east").observe(deadline_s=10).jobs["gpt"].running, 0.2)
    moves_it_where_the_old_one_stays_away(project)


def moves_it_where_the_old_one_stays_away(project):
    """East writes, and is lost together with the witness."""
    assert Deadline(120).until(lambda: stored_steps(project) > 0, 0.5)
    (project.root / "witness").rename(project.root / "away")
    teardown.end_processes(project.site("east"), deadline_s=10)
    project.site("east").store.rename(project.root / "lost-store")
    (project.root / "another").mkdir()
    project.declare(DECLARED.replace("witness: file:witness", "witness: file:another"))
    code, said = refused(project, "witness", "repair", "local", "--reason", "both are gone")
    assert (code, "--without east" in said) == (25, True), said
    project.drstack("witness", "repair", "local", "--without", "east", "--reason", "both are gone")
    project.drstack("up", "local", "--site", "west", "--refresh", "--yes")
    end = json.loads(project.drstack("promote", "local", "--to", "west", "--yes", "--json"))
    assert (end["result"], end["workloads"][0]["step"] > 0) == ("promoted", True)
    west = open_site(open_witness((project.root / "another").as_uri(), "local").descriptor("west"))
    assert Deadline(60).until(lambda: west.observe(deadline_s=10).jobs["gpt"].running, 0.2)
