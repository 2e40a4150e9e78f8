"""The main job, whole, on the real engine: it holds, its checks can fail, and a kill leaves nothing behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drstack.errors import EngineFailed
from drstack.reconcile.engine import find_engine
from tools.notrun import not_run
from tools.servers import ServerUnavailable, caddy

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("DRSTACK_SEED", "3"))
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _engine():
    try:
        find_engine(ROOT)
    except EngineFailed as error:
        not_run(str(error))
    try:
        caddy.binary()
    except ServerUnavailable as error:
        not_run(str(error))


def command(directory: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "drstack", "demo", "--json", "--directory", str(directory), "--report",
        str(directory.parent / "report"), *more,
    ]  # fmt: skip


def processes_of(directory: Path) -> list[str]:
    """Command lines of processes that name the directory, in their command or their environment."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command_line = (entry / "cmdline").read_bytes()
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in command_line + environment and command_line:
                found.append(f"{entry.name} {command_line[:120]!r}")
    return found


def test_a_demo_killed_at_any_moment_leaves_no_process_and_the_next_one_holds(tmp_path):
    directory = tmp_path / "demo"
    dice = random.Random(SEED)
    for wait_s in (dice.uniform(1, 5), dice.uniform(8, 20), dice.uniform(25, 90)):
        demo = subprocess.Popen(
            command(directory), cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(wait_s)
        os.killpg(demo.pid, signal.SIGKILL)
        demo.wait(10)
        ends = time.monotonic() + 10
        while (left := processes_of(directory)) and time.monotonic() < ends:
            time.sleep(0.2)
        assert not left, f"10 s after SIGKILL at {wait_s:.1f} s (seed {SEED}): {left}"
    done = subprocess.run(command(directory), cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    assert document["promoted"] is True
    assert document["reference_match"] is True
    assert document["reference_steps_compared"] >= 30
    assert document["zombie_commits_accepted"] == 0 < document["zombie_commits_offered"]
    assert document["torn_checkpoints_seen"] == 0 < document["torn_checkpoints_offered"]
    assert document["resumed_step"] <= document["killed_at_step"] < document["last_step"]
    home = document["home"]
    assert (home["result"], home["writer"]) == ("switched over", document["lost_site"])
    assert home["rpo_s"] == 0
    assert home["resumed_step"] == home["stopped_step"] < home["last_step"] == document["last_step"]
    assert home["steps_left"] > 0
    assert home["void"] > 0
    assert document["requests"]["sent"] > 100
    assert document["requests"]["failed"] < document["requests"]["sent"] / 2
    assert 0 < document["requests"]["longest_gap_s"] < document["rto_objective_s"]
    assert Path(document["report"]).exists()
    assert (tmp_path / "report" / "timeline.png").stat().st_size > 20_000
    assert not processes_of(directory)


@pytest.mark.parametrize("fault", ["verify", "seal", "restore", "reference"])
def test_a_planted_fault_makes_the_demo_fail_and_is_named(tmp_path, fault):
    directory = tmp_path / "demo"
    done = subprocess.run(
        command(directory, "--break", fault, "--kill-after-steps", "12"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 31, done.stderr[-3000:]
    assert f"error: {fault}: " in done.stderr
    assert not processes_of(directory)
