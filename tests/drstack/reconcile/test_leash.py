"""The leash with real processes: nothing outlives the caller, and what the command said is passed on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from drstack.reconcile.leash import CALLER_IS_GONE
from drstack.reconcile.leashed import run_leashed
from drstack.reconcile.processes import RUN_ID, look, processes, variables

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found through /proc"),
]
LEASH = [sys.executable, "-m", "drstack.reconcile.leash"]
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
stubborn = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; time.sleep(600)"
subprocess.Popen([sys.executable, "-c", stubborn])
subprocess.Popen([sys.executable, "-c", stubborn], process_group=0)
subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True)
open(sys.argv[1], "w").close()
time.sleep(600)
"""


def of_run(run_id: str) -> list[int]:
    return [process.pid for process in processes() if variables(process.pid).get(RUN_ID) == run_id]


def wait_for(what, timeout_s: float = 10.0):
    deadline = time.monotonic() + timeout_s
    while not (result := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return result


def program(folder: Path, text: str) -> Path:
    file = folder / "program.py"
    file.write_text(textwrap.dedent(text))
    return file


@pytest.mark.parametrize("code", [0, 3, 42])
def test_passes_the_exit_code_on(code: int):
    done = subprocess.run([*LEASH, "--", sys.executable, "-c", f"raise SystemExit({code})"], timeout=20, check=False)
    assert done.returncode == code


def test_a_signal_that_ended_the_command_becomes_128_and_its_number():
    done = subprocess.run([*LEASH, "--", "sh", "-c", "kill -9 $$"], timeout=20, check=False)
    assert done.returncode == 128 + 9


def test_a_command_that_does_not_exist_is_127():
    done = subprocess.run([*LEASH, "--", "/no/such/program"], timeout=20, check=False, capture_output=True, text=True)
    assert done.returncode == 127
    assert "/no/such/program" in done.stderr


@pytest.mark.slow
def test_kill_9_of_the_caller_leaves_nothing_after_ten_seconds(tmp_path: Path):
    ready = tmp_path / "ready"
    caller = program(
        tmp_path,
        f"""
        import os, sys
        from pathlib import Path
        from drstack.reconcile.leashed import run_leashed
        run_leashed([sys.executable, "-c", {FAMILY!r}, {str(ready)!r}], cwd=Path("."), environ=dict(os.environ),
                    timeout_s=600, tick=lambda: None)
        """,
    )
    process = subprocess.Popen([sys.executable, caller], env=os.environ | {RUN_ID: "killed-caller"})
    wait_for(lambda: ready.exists() and len(of_run("killed-caller")) == 6)
    process.kill()
    process.wait()
    killed = time.monotonic()
    wait_for(lambda: not of_run("killed-caller"))
    assert time.monotonic() - killed < 10


def test_the_command_is_asked_by_sigint_first_and_may_tidy_up(tmp_path: Path):
    polite = program(
        tmp_path,
        """
        import pathlib, sys, time
        try:
            print("up", flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            time.sleep(1)
            pathlib.Path(sys.argv[1]).write_text("tidied")
            raise SystemExit(7)
        """,
    )
    leash = subprocess.Popen([*LEASH, "--", sys.executable, polite, tmp_path / "note"], stdout=subprocess.PIPE)
    assert leash.stdout is not None
    leash.stdout.readline()
    leash.send_signal(signal.SIGTERM)
    assert leash.wait(15) == 7
    assert (tmp_path / "note").read_text() == "tidied"


def test_a_command_that_ignores_every_request_is_killed(tmp_path: Path):
    ready = tmp_path / "ready"
    command = [*LEASH, "--patience", "0.3", "--", sys.executable, "-c", FAMILY, str(ready)]
    leash = subprocess.Popen(command, env=os.environ | {RUN_ID: "stubborn"})
    wait_for(lambda: ready.exists() and len(of_run("stubborn")) == 5)
    leash.send_signal(signal.SIGINT)
    assert leash.wait(15) == 128 + 9
    assert of_run("stubborn") == []


def test_an_engine_never_lives_to_see_a_plugin_die(tmp_path: Path):
    """It would take that for a create that failed, and forget what the plugin may have made."""
    stubborn = program(
        tmp_path,
        """
        import pathlib, signal, subprocess, sys, time
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        plugin = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"])
        plugin.wait()
        pathlib.Path(sys.argv[1]).write_text("the create failed")
        """,
    )
    command = [*LEASH, "--patience", "0.3", "--", sys.executable, stubborn, tmp_path / "state"]
    leash = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {RUN_ID: "engine"})
    assert leash.stdout is not None
    leash.stdout.readline()
    leash.send_signal(signal.SIGINT)
    assert leash.wait(15) == 128 + 9
    assert not (tmp_path / "state").exists()
    assert of_run("engine") == []


def test_what_the_command_left_behind_is_ended_with_it():
    background = 'python3 -c "import time; time.sleep(600)" & exit 5'
    done = subprocess.run(
        [*LEASH, "--", "sh", "-c", background], timeout=20, check=False, env=os.environ | {RUN_ID: "left"}
    )
    assert done.returncode == 5
    assert of_run("left") == []


def test_a_daemon_with_a_session_of_its_own_and_without_the_run_is_spared():
    daemon = f"env -u {RUN_ID} setsid sleep 30 >/dev/null 2>&1 & echo $!; sleep 0.3"
    done = subprocess.run([*LEASH, "--", "sh", "-c", daemon], timeout=20, check=False, capture_output=True, text=True)
    pid = int(done.stdout)
    assert look(pid) is not None
    os.kill(pid, signal.SIGKILL)


def test_the_end_of_the_fifo_ends_the_command(tmp_path: Path):
    fifo = tmp_path / "leash"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)
    leash = subprocess.Popen(
        [*LEASH, "--", "sleep", "600"], env=os.environ | {"DRSTACK_LEASH": str(fifo), RUN_ID: "fifo"}
    )
    wait_for(lambda: len(of_run("fifo")) == 2)
    os.close(holder)
    assert leash.wait(10) == 128 + signal.SIGINT
    assert of_run("fifo") == []


@pytest.mark.parametrize("made", [True, False])
def test_nothing_starts_when_nobody_holds_the_fifo(tmp_path: Path, made):
    fifo = tmp_path / "leash"
    if made:
        os.mkfifo(fifo)
    done = subprocess.run(
        [*LEASH, "--", "touch", tmp_path / "ran"],
        env=os.environ | {"DRSTACK_LEASH": str(fifo)},
        timeout=20,
        check=False,
    )
    assert done.returncode == CALLER_IS_GONE
    assert not (tmp_path / "ran").exists()


def test_a_command_whose_time_is_over_is_ended(tmp_path: Path):
    began = time.monotonic()
    done = run_leashed(["sleep", "600"], cwd=tmp_path, environ=dict(os.environ), timeout_s=0.5, tick=lambda: None)
    assert done.code is None
    assert time.monotonic() - began < 5


def test_output_is_kept_apart_and_a_full_pipe_blocks_nobody(tmp_path: Path):
    chatty = "import sys; sys.stdout.write('o' * 300_000); sys.stderr.write('e' * 300_000)"
    done = run_leashed(
        [sys.executable, "-c", chatty], cwd=tmp_path, environ=dict(os.environ), timeout_s=30, tick=lambda: None
    )
    assert (done.code, len(done.printed), len(done.complained)) == (0, 300_000, 300_000)


def test_an_error_of_the_caller_ends_the_command(tmp_path: Path):
    def fail() -> None:
        if of_run("failing"):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run_leashed(["sleep", "600"], cwd=tmp_path, environ=os.environ | {RUN_ID: "failing"}, timeout_s=30, tick=fail)
    assert of_run("failing") == []


def test_a_leash_that_is_killed_leaves_nothing_behind_either(tmp_path: Path):
    ready = tmp_path / "ready"

    def kill_the_leash() -> None:
        if ready.exists():
            for process in processes():
                if process.parent == os.getpid() and variables(process.pid).get(RUN_ID) == "unleashed":
                    os.kill(process.pid, signal.SIGKILL)

    ended = run_leashed(
        [sys.executable, "-c", FAMILY, str(ready)], cwd=tmp_path, environ=os.environ | {RUN_ID: "unleashed"},
        timeout_s=60, tick=kill_the_leash,
    )  # fmt: skip
    assert ended.code == -signal.SIGKILL
    assert of_run("unleashed") == []
