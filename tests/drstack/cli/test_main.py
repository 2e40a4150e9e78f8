"""The command as a user meets it: help, errors with a hint, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest


def run(*arguments: str, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=cwd
    )


def test_help_shows_incident_verbs_first():
    shown = run("drstack", "--help")
    assert shown.returncode == 0
    assert shown.stdout.index("promote") < shown.stdout.index("checkpoints") < shown.stdout.index("demo")


@pytest.mark.parametrize("module", ["drstack", "replicator"])
def test_help_imports_nothing_heavy(module):
    code = (
        f"import sys; from {module}.cli.main import make_app; make_app(); "
        "print([m for m in ('pydantic','obstore','numpy','pulumi','torch','matplotlib') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert shown.stdout.strip() == "[]"


def test_an_error_is_one_message_with_what_to_do_next_and_its_own_exit_code(tmp_path):
    shown = run("replicator", "list", "--repo", str(tmp_path))
    assert shown.returncode == 41
    assert shown.stderr.splitlines() == [
        f"error: {tmp_path.as_uri()} holds no repository",
        "  next: Create one with: replicator init --repo URL",
    ]


@pytest.mark.slow
def test_an_environment_that_is_not_there_is_named_with_those_that_are(tmp_path):
    shown = run("drstack", "status", "nowhere")
    assert shown.returncode == 21
    assert "nowhere" in shown.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [["replicator", "list"], ["drstack", "verify"]])
def test_a_store_that_is_asked_again_and_again_leaves_stdout_alone(command):
    away = "s3://bucket/x?region=us-east-1&endpoint=http://127.0.0.1:9"
    environ = {**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    shown = subprocess.run(
        [sys.executable, "-m", *command, "--repo", away, "--json"],
        capture_output=True, text=True, timeout=120, check=False, env=environ,
    )  # fmt: skip
    assert shown.returncode == 53, shown.stderr
    assert shown.stdout == ""
    assert "retry" in shown.stderr


@pytest.mark.slow
def test_outside_a_project_it_says_so(tmp_path):
    shown = run("drstack", "status", "local", cwd=tmp_path)
    assert shown.returncode == 21
    assert "Pulumi.yaml" in shown.stderr


@pytest.mark.slow
def test_a_checkpoint_goes_in_and_comes_back_by_hand(tmp_path):
    source = tmp_path / "step-7"
    source.mkdir()
    (source / "weights.bin").write_bytes(b"w" * 10_000)
    repo = ("--repo", str(tmp_path / "repo"))
    assert run("replicator", "init", *repo, "--crypto", "none").returncode == 0
    pushed = run("replicator", "push", str(source), *repo, "--workload", "gpt", "--step", "7", "--json")
    assert json.loads(pushed.stdout)["pushed"][0]["commit"] == "1.1"
    again = run("replicator", "push", str(source), *repo, "--workload", "gpt", "--step", "7", "--json")
    assert json.loads(again.stdout)["pushed"][0]["already"] is True
    assert run("replicator", "verify", *repo).returncode == 0
    restored = run("drstack", "restore", "latest", *repo, "--to", str(tmp_path / "out"), "--json")
    assert json.loads(restored.stdout)["step"] == 7
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"w" * 10_000
    listed = json.loads(run("drstack", "checkpoints", "list", *repo, "--json").stdout)
    assert listed["checkpoints"][0]["receipts"] == ["stored", "decoded"]
    assert "NOT encrypted" in run("replicator", "list", *repo).stderr


@pytest.mark.slow
def test_watching_once_ships_what_is_complete_and_stdout_is_one_document(tmp_path):
    from safetensors.numpy import save_file

    for step, whole in ((10, True), (20, True), (30, False)):
        folder = tmp_path / "ck" / f"step-{step}"
        folder.mkdir(parents=True)
        save_file({"w": np.arange(1000, dtype=np.float32) + step}, folder / "model.safetensors")
        if not whole:
            (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9])
    repo = ("--repo", str(tmp_path / "repo"))
    run("replicator", "init", *repo, "--crypto", "none")
    watched = run("replicator", "watch", str(tmp_path / "ck"), *repo, "--workload", "gpt", "--once", "--json")
    assert watched.returncode == 0, watched.stderr
    assert list(json.loads(watched.stdout)["workloads"]["gpt"]["torn"]) == ["step-30"]
    listed = json.loads(run("replicator", "list", *repo, "--json").stdout)
    assert [row["step"] for row in listed["checkpoints"]] == [20, 10]


@pytest.mark.slow
def test_a_torn_checkpoint_is_refused_by_hand_too(tmp_path):
    torn = tmp_path / "step-8"
    torn.mkdir()
    (torn / "__0_0.distcp").write_bytes(b"x")
    run("replicator", "init", "--repo", str(tmp_path / "repo"), "--crypto", "none")
    pushed = run("replicator", "push", str(torn), "--repo", str(tmp_path / "repo"), "--workload", "gpt", "--step", "8")
    assert pushed.returncode == 43
    assert ".metadata" in pushed.stderr
