"""A confined process, and what it starts, writes in its folder and nowhere else. The kernel is asked, not a stand-in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from drstack.platforms.local.confine import abi
from tools.notrun import not_run

PROGRAM = """
import json, os, subprocess, sys
from pathlib import Path
from drstack.platforms.local.confine import confine
inside, outside = Path(sys.argv[1]), Path(sys.argv[2])
held = confine([inside])
tries = {
    "write": lambda: (outside / "there").write_text("changed"),
    "make": lambda: (outside / "new").write_text("made"),
    "remove": lambda: (outside / "there").unlink(),
    "move in": lambda: (outside / "there").rename(inside / "there"),
    "move out": lambda: (inside / "a").rename(outside / "a"),
    "folder": lambda: (outside / "folder").mkdir(),
}
(inside / "a").write_text("a")
(inside / "b").mkdir()
(inside / "a").rename(inside / "b" / "a")
(inside / "b" / "a").rename(inside / "a")
found = {}
for name, act in tries.items():
    try:
        act()
        found[name] = True
    except OSError:
        found[name] = False
child = subprocess.run([sys.executable, "-c", f"open({str(outside / 'child')!r}, 'w')"], capture_output=True)
found["child"] = child.returncode == 0
print(json.dumps({"held": held, "read": (outside / "there").read_text(), "found": found}))
"""


@pytest.fixture(autouse=True)
def _landlock():
    if abi() < 2:
        not_run("Landlock: this kernel has none")


def test_what_is_confined_writes_in_its_folder_and_nowhere_else(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "there").write_text("as it was")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(inside), str(outside)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["held"] is True
    assert told["read"] == "as it was"
    assert set(told["found"].values()) == {False}, told["found"]
    assert [path.name for path in outside.iterdir()] == ["there"]
    assert (inside / "a").read_text() == "a"
