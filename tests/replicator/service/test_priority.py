"""`--idle`: the process and all its threads are of the idle class, for the processor and for the disk."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="the idle class is Linux's")

THREAD = """
import os, threading
from replicator.service.priority import become_idle
print(become_idle())
seen = []
thread = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
thread.start(); thread.join()
print(seen == [os.SCHED_IDLE], os.sched_getscheduler(0) == os.SCHED_IDLE)
print(os.popen(f"ionice -p {os.getpid()}").read().strip())
groups = open("/proc/self/autogroup").read().split() if os.path.exists("/proc/self/autogroup") else []
print(groups[-1] if groups else "none")
"""


def lines(*, session: bool) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", THREAD],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=session,
    )
    return done.stdout.splitlines()


def test_threads_that_begin_afterwards_are_idle_too():
    trouble, classes, disk, _ = lines(session=False)
    assert (trouble, classes) == ("[]", "True True")
    if shutil.which("ionice"):
        assert disk == "idle"


def test_only_a_session_of_its_own_gives_way_as_a_whole():
    shared, own = lines(session=False)[-1], lines(session=True)[-1]
    if own == "none":
        pytest.skip("the kernel shares out by no groups of sessions, or not here")
    assert own == "19"
    assert shared != "19"


@pytest.mark.parametrize("verb", ["watch", "run"])
def test_the_verbs_that_stay_have_it(verb, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "replicator", verb, "--help"], check=True, capture_output=True, text=True, timeout=60,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
    )  # fmt: skip
    assert "--idle" in done.stdout


@pytest.mark.slow
def test_a_watch_with_it_is_idle(tmp_path):
    (tmp_path / "ck").mkdir()
    (tmp_path / "ck" / "model.bin").write_bytes(os.urandom(1000))
    code = (
        "import os, sys; from replicator.cli.main import run\n"
        "try:\n    run()\nfinally:\n    sys.stderr.write(f'class {os.sched_getscheduler(0)}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "watch", str(tmp_path / "ck"), "--repo", (tmp_path / "repo").as_uri(), "--once", "--idle",
         "--quiet", "0"],
        check=False, capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert f"class {os.SCHED_IDLE}" in done.stderr, done.stderr
