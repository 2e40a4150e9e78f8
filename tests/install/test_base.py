"""A base install, in an empty virtual environment: every replicator verb, and what lacks an extra says which."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from drstack.platforms.local.waiting import Deadline

pytestmark = pytest.mark.slow
OPEN_AND_TWO_COMMITS = 3
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Three real checkpoints; the last one is torn."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for step in (10, 20, 30):
        (folder / f"step-{step}").mkdir()
        file = folder / f"step-{step}" / "model.safetensors"
        save_file({"w": np.arange(5000, dtype=np.float32) * step}, file)
        if step == 30:
            file.write_bytes(file.read_bytes()[:-7])
    return folder


def test_brings_neither_torch_nor_pulumi_nor_ray(base, tmp_path):
    code = "import importlib.util as u; print([m for m in ('torch','pulumi','ray','supervisor') if u.find_spec(m)])"
    assert base.run("python", "-c", code, cwd=tmp_path).stdout.strip() == "[]"


def test_every_module_that_a_base_install_needs_can_be_imported(base, tmp_path):
    """All but those whose part is an extra's."""
    code = """
import importlib, pkgutil, drstack, replicator
needs = (
    "drstack.components", "drstack.provider", "drstack.policies.pack", "drstack.report.page", "drstack.report.picture",
    "replicator.train", "drstack.actions.playbook", "drstack.actions.rfc2136", "drstack.telemetry.sdk",
)
for root in (drstack, replicator):
    for found in pkgutil.walk_packages(root.__path__, root.__name__ + ".", onerror=lambda name: None):
        if not found.name.startswith(needs) and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print("all")
"""
    done = base.run("python", "-c", code, cwd=tmp_path)
    assert done.stdout.strip() == "all", done.stderr


def test_every_replicator_verb(base, checkpoints, tmp_path):
    repo = ("--repo", (tmp_path / "repo").as_uri())

    def replicator(*arguments, rc=0):
        done = base.run("replicator", *arguments, cwd=tmp_path)
        assert done.returncode == rc, f"{arguments}: {done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    replicator("init", *repo, "--crypto", "none")
    pushed = json.loads(
        replicator("push", checkpoints / "step-10", *repo, "--workload", "gpt", "--step", "10", "--json")
    )
    assert pushed["pushed"][0]["commit"] == "1.1"
    replicator("push", checkpoints / "step-30", *repo, "--workload", "gpt", "--step", "30", rc=43)
    watched = json.loads(replicator("watch", checkpoints, *repo, "--workload", "gpt", "--once", "--json"))
    assert list(watched["workloads"]["gpt"]["torn"]) == ["step-30"]
    assert json.loads(replicator("list", *repo, "--json"))["checkpoints"][0]["step"] == 20
    replicator("verify", *repo)
    assert json.loads(replicator("restore", "latest", *repo, "--to", tmp_path / "out", "--json"))["step"] == 20
    restored = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert restored == (checkpoints / "step-20" / "model.safetensors").read_bytes()

    served = tmp_path / "served"
    assert base.run("replicator", "init", "--repo", served.as_uri(), "--crypto", "none", cwd=tmp_path).returncode == 0
    config = tmp_path / "replicator.json"
    config.write_text(
        json.dumps(
            {
                "site": "here", "own": "here", "spool": str(tmp_path / "spool"), "status_file": str(tmp_path / "status"),
                "destinations": [{"name": "here", "url": served.as_uri()}],
                "workloads": [{"name": "gpt", "path": str(checkpoints)}],
            }
        )
    )  # fmt: skip
    push = (
        "push",
        checkpoints / "step-10",
        "--repo",
        served.as_uri(),
        "--workload",
        "gpt",
        "--step",
        "10",
        "--writer",
        "here",
    )
    replicator(*push)
    service = subprocess.Popen(
        [base.venv / "bin" / "replicator", "run", "--config", config], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    try:
        log = tmp_path / "served" / "log" / "gpt"
        assert Deadline(60).until(lambda: len(list(log.iterdir())) >= OPEN_AND_TWO_COMMITS, 0.2)
        service.send_signal(signal.SIGTERM)
        _, said = service.communicate(timeout=60)
    finally:
        service.kill()
        service.wait(10)
    assert "Traceback" not in said
    assert 20 in [
        row["step"] for row in json.loads(replicator("list", "--repo", served.as_uri(), "--json"))["checkpoints"]
    ]


def test_help_schema_exit_codes_and_check(base, tmp_path):
    assert "promote" in base.run("drstack", "--help", cwd=tmp_path).stdout
    schema = base.run("drstack", "schema", cwd=tmp_path).stdout
    assert schema == (CHECKOUT / "stacks" / "environments" / "environment.schema.json").read_text()
    assert "ExtraMissing" in base.run("drstack", "exit-codes", cwd=tmp_path).stdout


def test_what_needs_an_extra_names_it(base, tmp_path):
    assert base.run("drstack", "init", "here", "--example", cwd=tmp_path).returncode == 0
    project = tmp_path / "here"
    checked = base.run("drstack", "check", "local", cwd=project)
    assert "no faults" in checked.stdout, checked.stderr
    for command, extras in (
        (("up", "local"), "pulumi,local"),
        (("env", "local"), "pulumi,local"),
        (("demo",), "pulumi,local,train,report"),
    ):
        done = base.run("drstack", *command, cwd=project)
        assert done.returncode == 35, done.stderr
        assert done.stderr.splitlines()[-1] == f"  next: pip install 'drstack[{extras}]'"
        assert "Traceback" not in done.stderr
    policies = subprocess.run(
        [project / "policies" / "run"], env={"PATH": os.defpath, "VIRTUAL_ENV": str(base.venv)}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert policies.returncode == 1
    assert "pip install 'drstack[policies]'" in policies.stderr
