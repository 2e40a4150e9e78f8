"""start.py, run by a bare Python as it would be at the standby: what it refuses, and in which words."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drstack.kit import start
from tests.drstack.kit.kits import make

WHEEL = "wheels/pip-1-py3-none-any.whl"


@pytest.fixture
def kit(tmp_path):
    return make(tmp_path / "kit")


def run(kit, *options):
    command = [sys.executable, "-I", str(kit / "start.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def change(kit, edit):
    body = json.loads((kit / "kit.json").read_text())
    edit(body)
    (kit / "kit.json").write_text(json.dumps(body))


def test_needs_nothing_but_python():
    tree = ast.parse(Path(start.__file__).read_text())
    roots = {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    roots |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert roots <= set(sys.stdlib_module_names)


def test_a_whole_kit_is_verified_and_left_as_it_is(kit):
    before = sorted(kit.rglob("*"))
    done = run(kit, "--verify")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "3 files of the kit are whole" in done.stderr
    assert sorted(kit.rglob("*")) == before


def flip(path):
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda kit: flip(kit / WHEEL), f"{WHEEL}: is damaged"),
        (lambda kit: os.truncate(kit / WHEEL, 99), f"{WHEEL}: has 99 bytes, 7000 are listed"),
        (lambda kit: (kit / "RUNBOOK.md").unlink(), "RUNBOOK.md: is missing"),
        (lambda kit: (kit / "wheels" / "evil-1-py3-none-any.whl").touch(), "wheels/evil-1-py3-none-any.whl: is not of"),
        (lambda kit: (kit / "kit.json").write_text("{"), "kit.json: "),
        (lambda kit: (kit / "kit.json").write_text("[]"), "kit.json: not a manifest"),
        (lambda kit: (kit / "kit.json").unlink(), "kit.json: "),
        (lambda kit: change(kit, lambda body: body.update(kit=2)), "not a manifest of kit format 1"),
        (lambda kit: change(kit, lambda body: body.pop("platform")), "incomplete: platform"),
        (lambda kit: change(kit, lambda body: body["files"]["RUNBOOK.md"].clear()), "incomplete: RUNBOOK.md"),
        (lambda kit: change(kit, lambda body: body["platform"].update(machine="s390x")), "for machine s390x"),
        (lambda kit: change(kit, lambda body: body["platform"].update(system="plan9")), "for system plan9"),
        (lambda kit: change(kit, lambda body: body["platform"].update(glibc="99.1")), "needs glibc 99.1"),
        (lambda kit: change(kit, lambda body: body["platform"].update(python="3.99")), "needs Python 3.99"),
        (
            lambda kit: change(
                kit, lambda body: body["files"].update({"../x": {"size": 0, "sha256": "0", "executable": False}})
            ),
            "../x: lies outside of the kit",
        ),
    ],
)
def test_refuses_what_is_not_whole_or_not_for_this_machine(kit, harm, words):
    harm(kit)
    for options in ((), ("--verify",)):
        done = run(kit, *options)
        assert done.returncode == start.UNUSABLE
        assert done.stdout == ""
        assert words in done.stderr
        assert "next: take the kit before this one" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (kit / "ready").exists()


def test_every_fault_is_named_at_once(kit):
    flip(kit / WHEEL)
    (kit / "RUNBOOK.md").unlink()
    told = run(kit).stderr
    assert WHEEL in told
    assert "RUNBOOK.md" in told


def test_wheels_that_cannot_be_installed_leave_nothing_that_counts_as_ready(kit):
    (kit / "project").mkdir()
    for _ in range(2):
        done = run(kit)
        assert done.returncode == start.FAILED, done.stderr
        assert "could not be made ready" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (kit / "ready" / "stamp.json").exists()
        assert done.stdout == ""
