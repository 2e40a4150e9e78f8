"""Peak memory of the real processes that push and restore one large file: what the kernel says of them when they end."""

from __future__ import annotations

import os
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


def peak(*arguments: str) -> int:
    """Of `replicator ARGUMENTS`, bytes. It must succeed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "replicator", *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    told = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, told[-2000:]
    return used.ru_maxrss * 1024


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
