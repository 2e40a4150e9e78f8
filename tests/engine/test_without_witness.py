"""The witness of real sites is away, and the writer's machine too: promoted by a proven fence, and put right afterwards."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from drstack.platforms.local import processes
from drstack.platforms.local.waiting import Deadline
from tests.engine.local_project import COUNTER, ENVIRONMENT, SLEEPER, local_project, refused

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]
DECLARED = ENVIRONMENT.replace(f"{SLEEPER}]", f"{COUNTER}, --save-when-stopped]").replace("rpo: 30s", "rpo: 1h") + (
    "replication: {encrypt_to: [recovery, escrow]}\n"
)
WITHOUT = ("promote", "local", "--to", "west", "--yes", "--without-witness")
REASON = ("--reason", "the bucket's account is closed")


@pytest.fixture
def project(tmp_path):
    with local_project(tmp_path, DECLARED) as made:
        yield made


def stored_step(project):
    told = json.loads(project.drstack("status", "local", "--json"))["workloads"]["gpt"]["recovery_point"]
    return told["step"] if told else 0


def shown_without(project):
    """What status prints while the witness is away."""
    done = subprocess.run(
        [sys.executable, "-m", "drstack", "status", "local", "--json"], cwd=project.folder, env=project.environ(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 22, done.stderr
    return json.loads(done.stdout)


def job_runs(project, site):
    return project.open(site).observe(deadline_s=10).jobs["gpt"].running


def test_a_promotion_without_the_witness_is_its_copy_once_it_is_back(project):
    project.drstack("keys", "make", "local")
    project.drstack("up", "local", "--yes")
    assert Deadline(120).until(lambda: stored_step(project) > 0, 0.5)
    code, said = refused(project, *WITHOUT, *REASON)
    assert (code, "answers: nothing goes on without it" in said) == (24, True), said
    west = project.open("west")

    witness = project.root / "witness"
    witness.rename(witness.with_name("away"))
    assert refused(project, "promote", "local", "--to", "west", "--yes")[0] == 22
    seen = shown_without(project)
    assert (seen["witness"]["reachable"], seen["workloads"]["gpt"]["running"]) == (False, True)
    assert seen["without_witness"]["promotions"]["west"]["possible"], seen["without_witness"]
    assert seen["without_witness"]["promotions"]["west"]["fences"] == ["east"]
    assert refused(project, *WITHOUT)[0] == 25
    planned = json.loads(project.drstack(*WITHOUT, *REASON, "--plan", "--json"))
    assert planned["consents"] == [["without-witness", "west"]]
    assert not (project.site("west").store / "without-witness").exists()

    processes.end(project.site("east"), deadline_s=20)
    end = json.loads(project.drstack(*WITHOUT, *REASON, "--json"))
    assert (end["result"], end["number"], end["fences"][0]["grade"]) == ("promoted", 2, "proven")
    assert Deadline(60).until(lambda: west.observe(deadline_s=10).jobs["gpt"].running, 0.2)
    assert json.loads(project.drstack(*WITHOUT, *REASON, "--json"))["already"]
    assert not witness.exists()

    witness.with_name("away").rename(witness)
    code, said = refused(project, "promote", "local", "--to", "east", "--yes")
    assert (code, "drstack witness repair local --plan" in said) == (23, True), said
    code, said = refused(project, "up", "local", "--yes", "--refresh")
    assert "drstack witness repair local --plan" in said, said
    assert job_runs(project, "west"), "an update by a witness that is behind stops nobody"
    project.drstack("witness", "repair", "local", "--reason", "the account is open again")
    made = project.witness.assignments()[1]
    assert (made.operation, made.writer("gpt")) == ("1-1", "west")
    assert project.witness.journal(1, 1).ended()["result"] == "promoted"
    project.drstack("up", "local", "--yes", "--refresh")
    assert job_runs(project, "west")
    reached = stored_step(project)
    assert Deadline(120).until(lambda: stored_step(project) > reached, 0.5)
    [row] = json.loads(project.drstack("report", "local", "--json"))["operations"]
    assert (row["operation"], row["result"]) == ("1-1", "promoted")
    assert json.loads(project.drstack("promote", "local", "--to", "east", "--yes", "--json"))["result"] == "promoted"
