"""docs/training.md, word for word: every file on the page is written as it stands, every command run, in its order.

Only what installs is not run: it is checked against the extras that pyproject.toml has.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "training.md").read_text()
BLOCKS = re.findall(r"^```(\w+) ?([\w.]*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PATIENCE_S = 540
INSTALLS = ("python3 -m venv", ". protected/bin/activate", "pip install")


def sections():
    """Per heading, its blocks; the first makes the repository that the others use."""
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        yield (
            section.split("\n", 1)[0],
            re.findall(r"^```(\w+) ?([\w.]*)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE),
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    for kind, name, body in BLOCKS:
        if kind == "python":
            (folder / name).write_text(body)
    return folder


def run(place: Path, commands: str) -> str:
    kept = "".join(line + "\n" for line in commands.splitlines() if not line.startswith(INSTALLS))
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    shell = subprocess.Popen(
        ["bash", "-eu", "-c", kept],
        cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = shell.communicate(timeout=PATIENCE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)  # what it left running in the background
    assert shell.returncode == 0, said
    return said


def commands(heading: str) -> str:
    return "".join(body for title, blocks in sections() if heading in title for kind, _, body in blocks if kind == "sh")


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S + 30)
def test_a_new_user_protects_a_hugging_face_run_and_restores_it_after_rm_rf(place):
    said = run(place, commands("Hugging Face"))
    assert said.count("resuming from None") == 1
    assert f"resuming from {place}/runs/tiny/checkpoint-10" in said
    assert "finished at step 20" in said
    assert (place / "runs" / "tiny" / "checkpoint-20" / "model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S + 30)
def test_a_lightning_run_comes_back_after_rm_rf(place):
    made = 'replicator init --repo "file://$PWD/backup" --crypto none\n'
    said = run(place, made + commands("Lightning"))
    assert re.search(rf"resuming from {place}/runs/lit/epoch=0-step=10\.ckpt", said)
    assert "finished at step 20" in said


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE_S + 30)
def test_a_preempted_run_saves_ships_asks_to_be_resumed_and_is(place):
    made = 'replicator init --repo "file://$PWD/backup" --crypto none\n'
    said = run(place, made + commands("Preemption"))
    assert "first start" in said
    assert "exit code 75" in said
    assert int(re.search(r"resumed at step (\d+)", said)[1]) > 100


def test_what_is_installed_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    development = " ".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"])
    lines = re.findall(r"^pip install (.*)$", PAGE, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        ours, *others = re.findall(r"'([^']+)'", line)
        assert re.fullmatch(r"\.\[(\w+)\]", ours)[1] in extras
        assert all(other in development for other in others)
    assert {re.split(r"[<>=]", each)[0] for each in extras["train"]} == {"torch", "safetensors"}


def test_no_block_of_the_page_is_left_out():
    ran = [body for heading in ("Hugging Face", "Lightning", "Preemption") for body in [commands(heading)]]
    for kind, name, body in BLOCKS:
        assert (kind, bool(name)) in (("sh", False), ("python", True))
        assert kind != "sh" or any(body in each for each in ran)
