"""SIGKILL at any point of a create: each object is whole or absent, and its key is not blocked."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from replicator.errors import KeyMissing
from replicator.stores.local import LocalStore
from tests.replicator.stores.creator import body_of

KILLS = 30
REPOSITORY = Path(__file__).parents[3]


def _run_and_kill(root: Path, run: int, after_s: float) -> list[str]:
    """Keys whose creates had returned when the process was killed."""
    command = [sys.executable, "-m", "tests.replicator.stores.creator", str(root), str(run)]
    child = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "ready\n"
        time.sleep(after_s)
        child.kill()
        told = [line.strip() for line in child.stdout if line.endswith("\n")]
    assert child.wait(timeout=30) == -9
    return told


@pytest.mark.slow
def test_every_object_is_whole_after_thirty_kills_and_every_acknowledged_one_is_there(tmp_path: Path) -> None:
    pauses = random.Random(7)
    store = LocalStore(tmp_path)
    told = 0
    for run in range(KILLS):
        acknowledged = _run_and_kill(tmp_path, run, pauses.uniform(0.0, 0.05))
        told += len(acknowledged)
        keys = sorted(store.list(f"log/run-{run}"))
        assert set(acknowledged) <= set(keys)
        assert len(keys) <= len(acknowledged) + 1
        for key in keys:
            body = store.get(key)
            assert body == body_of(key, int.from_bytes(body[:8], "big")), key
    assert told > KILLS
    staged = list((tmp_path / ".staging").iterdir())
    assert staged, "no kill fell between staging and link: the test did not test"


@pytest.mark.slow
def test_a_slot_that_a_killed_process_was_creating_can_still_be_taken(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    acknowledged = _run_and_kill(tmp_path, 1, 0.02)
    following = f"log/run-1/{len(acknowledged) + 1:06d}"
    try:
        found = store.get(following)
    except KeyMissing:
        store.create(following, b"ours")
        found = b"ours"
    assert found in (b"ours", body_of(following, int.from_bytes(found[:8], "big")))
    assert store.get(following) == found
