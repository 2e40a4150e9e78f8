"""What DeepSpeed itself writes on two ranks: found, lost, restored, and resumed as was printed, bit for bit.

It is no dependency of the checkout, as installing it changes what other libraries do: it gets an environment of its own
on top of the checkout's, from the package index, as the tests of the wheel do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from replicator.layouts import Certainty, find
from tools.notrun import not_run
from tools.setup import SetupFailed, uv

pytestmark = [
    pytest.mark.slow,
    pytest.mark.soak,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        os.environ.get("DRSTACK_SOAK") != "1", reason="installs DeepSpeed and takes a minute: DRSTACK_SOAK=1"
    ),
]
CHECKOUT = Path(__file__).parents[3]
DEEPSPEED = (
    "deepspeed==0.19.8",
    "einops==0.8.2",
    "hjson==3.1.0",
    "msgpack==1.2.4",
    "ninja==1.13.2",
    "py-cpuinfo==9.0.0",
)
TIMEOUT_S = 300


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    venv = tmp_path_factory.mktemp("deepspeed") / "venv"
    try:
        program = uv.find()
    except SetupFailed as error:
        not_run(f"uv: {error}")
    commands = (
        ("venv", "--quiet", "--python", sys.executable, venv),
        ("pip", "install", "--quiet", "--no-deps", "--python", venv / "bin" / "python", *DEEPSPEED),
    )
    environment = {**os.environ, "DS_BUILD_OPS": "0"}
    for command in commands:
        done = subprocess.run(
            [program, *map(str, command)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            not_run(f"DeepSpeed could not be installed: {done.stderr.strip()[-300:]}")
    packages = next((venv / "lib").glob("python*")) / "site-packages"
    (packages / "checkout.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n{CHECKOUT}\n")
    yield venv / "bin" / "python"
    shutil.rmtree(venv)


@pytest.mark.parametrize("stage", [1, 3])
def test_what_deepspeed_writes_is_shipped_and_resumed_as_printed(python, tmp_path, stage):
    run, url = tmp_path / "run", (tmp_path / "backup").as_uri()
    environment = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    program = Path(__file__).with_name("deepspeed_ranks.py")
    done = subprocess.run(
        [python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", program, str(stage), run, url],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    told = [(tmp_path / f"rank-{rank}").read_text() for rank in (0, 1)]
    assert told == [f"engine.load_checkpoint({str(run)!r}, tag='global_step4')"] * 2
    kept = tmp_path / "kept"  # as it was written
    assert [(each.step, each.complete, each.layout, each.certainty) for each in find(kept)] == [
        (2, True, "deepspeed", Certainty.DECLARED), (4, True, "deepspeed", Certainty.DECLARED),
    ]  # fmt: skip
    for file in (kept / "global_step4").iterdir():
        aside = file.rename(tmp_path / "aside")
        torn = find(kept)[1]
        assert not torn.complete, f"without {file.name}"
        aside.rename(file)
    (kept / "latest").write_text("global_step2")
    assert [each.complete for each in find(kept)] == [True, False]
