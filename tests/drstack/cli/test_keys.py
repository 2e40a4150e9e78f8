"""`drstack keys`, and what other commands say of an environment's keys, as people type them."""

import json
import os
import subprocess
import sys

import pytest

from drstack.cli import status
from drstack.custody.readiness import PLAIN

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DRSTACK_", "XDG_"))}

    def run(*arguments, code=0, **more):
        done = subprocess.run(
            [sys.executable, "-m", "drstack", *map(str, arguments)], cwd=folder, env={**environ, **more},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    run.folder = folder
    return run


def test_init_makes_the_keys_once_and_says_what_to_print(shell):
    made = shell("init", ".", "--example", "--json")
    keys = shell.folder / ".drstack" / "local" / "keys" / "local"
    assert json.loads(made.stdout)["keys"] == str(keys)
    assert f"{keys}/sheets/*.html" in made.stderr
    assert "encrypt_to: [recovery, escrow]" in (shell.folder / "stacks" / "environments" / "local.yaml").read_text()
    before = {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()}
    again = shell("init", ".", "--example")
    assert "sheets" not in again.stderr
    assert "nothing was made" in shell("keys", "make", "local").stdout
    assert {path: path.read_bytes() for path in keys.rglob("*") if path.is_file()} == before
    assert shell("check", "local").stderr == ""
    listed = json.loads(shell("checkpoints", "keys", "list", "--keys", keys, "--json").stdout)
    assert {each["name"] for each in listed["keys"] if each["at_hand"]} == {"promoter", "recovery", "escrow"}
    secrets = [json.loads(path.read_text())["secret"] for path in keys.rglob("*.key")]
    assert not [each for each in secrets if each in made.stdout + made.stderr + again.stdout + again.stderr]


def test_an_environment_without_keys_is_said_to_be_plain_wherever_it_is_worked_on(shell):
    shell("init", "plain", "--example", "--crypto", "none", "--json")
    assert not (shell.folder / "plain" / ".drstack").exists()
    file = shell.folder / "plain" / "stacks" / "environments" / "local.yaml"
    target = shell.folder / "stacks" / "environments" / "bare.yaml"
    target.write_text(file.read_text().replace("environment: local", "environment: bare"))
    said = shell("check", "bare", "--json")
    [warning] = json.loads(said.stdout)["warnings"]
    assert "NOT encrypted and NOT signed (crypto: none)" in warning
    assert "encrypt_to" not in warning, "it is meant"
    target.write_text(target.read_text().replace("  crypto: none\n", ""))
    assert "write encrypt_to: [recovery, escrow], or crypto: none" in shell("check", "bare").stderr
    refused = shell("keys", "make", "bare", code=20)
    assert "names no recipients" in refused.stderr
    assert "NOT encrypted" in refused.stderr


def test_the_status_of_an_environment_without_keys_says_that_it_is_plain():
    [line] = status._protection({"environment": "bare", "protection": PLAIN.document()})
    assert line.startswith("WARNING: environment bare is NOT encrypted and NOT signed (crypto: none)")


def test_keys_that_are_not_at_hand_are_named_with_the_remedy(shell):
    nowhere = shell.folder / "nowhere"
    told = shell("status", "local", code=56, DRSTACK_KEYS=str(nowhere)).stderr
    assert f"{nowhere} holds no trust.json" in told
    assert "drstack keys make local" in told
    assert "has no site 'north'" in shell("keys", "rotate", "local", "north", "--reason", "x", code=21).stderr


def test_the_file_by_which_others_trust_a_person_is_named_and_does(shell):
    shell("init", ".", "--example")
    folder = shell.folder / "stacks" / "environments"
    declared = (folder / "local.yaml").read_text().replace("environment: local", "environment: asked")
    (folder / "asked.yaml").write_text(declared + "approvals:\n  promote: {of: [alice, bob], at_least: 1}\n")
    shell("keys", "make", "asked")
    absent = shell("keys", "trust", "asked", "approver@alice.public.json", code=56).stderr
    assert "drstack keys approver asked NAME made" in absent
    made = shell("keys", "approver", "asked", "alice").stdout
    [file] = [line.partition(": ")[2] for line in made.splitlines() if line.startswith("for every operator: ")]
    assert "was trusted already" in shell("keys", "trust", "asked", file, "--yes").stdout
