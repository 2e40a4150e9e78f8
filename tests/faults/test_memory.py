"""Peak memory of the real processes that push and restore one large file: what the kernel says of them when they end."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3

from tests.faults.tensors import write_tensors
from tools.cases import at_length

MIB = 1 << 20
SIZE = 10_000 * MIB if at_length() else 600 * MIB
MOST = 256 * MIB
CHECKOUT = Path(__file__).parents[2]


LAUNCHER = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "replicator", *sys.argv[1:]], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
print(used.ru_maxrss * 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Small, since what a process holds when it forks counts as its child's peak."""


def peak(*arguments: str) -> int:
    """Of `replicator ARGUMENTS`, bytes. It must succeed."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, *arguments],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.faults("memory", 1, 2)
@pytest.mark.parametrize("tensors", [1, 400] if at_length() else [1])
def test_push_and_restore_of_a_large_file_take_256_mib_at_most(tmp_path, cases, tensors):
    """In many tensors, and in a single one that is as large as the file."""
    saved = tmp_path / "saved" / "model.safetensors"
    write_tensors(saved, SIZE, seed=1, tensors=tensors)
    url = (tmp_path / "store").as_uri()
    peak("init", "--repo", url, "--crypto", "none")
    whole = digest(saved)
    pushed = peak("push", str(saved.parent), "--repo", url, "--workload", "gpt", "--step", "1")
    saved.unlink()  # three times the file at once is more than many disks have
    restored = peak("restore", "--to", str(tmp_path / "back"), "--repo", url, "--workload", "gpt")
    cases.ran(1)
    cases.found(
        f"{SIZE / MIB:g} MiB in {tensors} tensors: push {pushed / MIB:.0f} MiB, restore {restored / MIB:.0f} MiB at most"
    )
    back = digest(next((tmp_path / "back").rglob("model.safetensors")))
    for folder in ("store", "back"):
        shutil.rmtree(tmp_path / folder)
    assert back == whole
    assert max(pushed, restored) <= MOST


def digest(path: Path) -> str:
    found = blake3()
    with path.open("rb") as file:
        while piece := file.read(8 * MIB):
            found.update(piece)
    return found.hexdigest()
