from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tools.notrun import not_run
from tools.setup import CHECKOUT, stamp, uv
from tools.setup.stamp import Stamp, Work, decide

if TYPE_CHECKING:
    from pathlib import Path

DONE = Stamp(checkout="/a", dependencies="1", project="1")
EVERYTHING = Work(venv=True, dependencies=True, project=True)
NOTHING = Work(venv=False, dependencies=False, project=False)


@pytest.mark.parametrize(
    ("found", "wanted", "usable", "work"),
    [
        (DONE, DONE, True, NOTHING),
        (DONE, DONE, False, EVERYTHING),
        (None, DONE, True, Work(venv=False, dependencies=True, project=True)),
        (DONE, Stamp("/moved", "1", "1"), True, EVERYTHING),
        (DONE, Stamp("/a", "2", "1"), True, Work(venv=False, dependencies=True, project=True)),
        (DONE, Stamp("/a", "1", "2"), True, Work(venv=False, dependencies=False, project=True)),
    ],
)
def test_does_what_changed_and_what_depends_on_it(
    *, found: Stamp | None, wanted: Stamp, usable: bool, work: Work
) -> None:
    assert decide(found, wanted, usable=usable) == work
    assert bool(work) is (work != NOTHING)


def test_reads_back_its_stamp_and_takes_a_torn_one_for_none(tmp_path: Path) -> None:
    assert stamp.read(tmp_path) is None
    stamp.write(tmp_path, DONE)
    assert stamp.read(tmp_path) == DONE
    (tmp_path / stamp.NAME).write_text('{"checkout": "/a"')
    assert stamp.read(tmp_path) is None
    stamp.remove(tmp_path)
    stamp.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_appears_or_changes_changes_the_digest(tmp_path: Path) -> None:
    locks = [tmp_path / "a", tmp_path / "b"]
    digests = [stamp.digest(locks)]
    for lock, content in [(locks[0], "x"), (locks[1], ""), (locks[1], "x")]:
        lock.write_text(content)
        digests.append(stamp.digest(locks))
    assert len(set(digests)) == 4


def test_knows_a_uv_that_is_new_enough() -> None:
    assert uv.new_enough("uv 0.8.0 (abc 2025-07-17)")
    assert uv.new_enough("uv 1.0.3\n")
    assert not uv.new_enough("uv 0.7.22")
    assert not uv.new_enough("")


def test_takes_the_uv_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv").write_text("#!/bin/sh\necho uv 0.99.1\n")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert uv.find() == str(tmp_path / "uv")


def test_pins_the_uv_that_it_installs_by_hash() -> None:
    lines = uv.PINNED.read_text().splitlines()
    required = [line for line in lines if line and not line.startswith(("#", " "))]
    assert [line.partition("==")[0] for line in required] == ["uv"]
    assert any("--hash=sha256:" in line for line in lines)


def test_make_help_lists_what_users_call() -> None:
    if shutil.which("make") is None:
        not_run("no make on PATH")
    ended = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=True)
    for target in ("setup", "engine", "demo", "quick", "test", "check", "lock", "clean"):
        assert f"make {target} " in ended.stdout
