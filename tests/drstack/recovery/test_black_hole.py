"""Every address of the primary swallows what is sent to it: no answer, no refusal. A promotion ends all the same, and soon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drstack.assembly import OTHERS_S, WITNESS_S
from tools.notrun import not_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
CHECKOUT = Path(__file__).parents[3]
LOADED = 20.0
"""What a machine with other work may take on top."""


def in_a_namespace(*arguments: str) -> dict:
    unshare = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    try:
        subprocess.run([*unshare, "test", "-c", "/dev/net/tun"], check=True, capture_output=True, timeout=30)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        not_run(f"a network namespace with /dev/net/tun: {error}")
    done = subprocess.run(
        [*unshare, sys.executable, "-m", "tests.drstack.recovery.black_hole", *arguments],
        cwd=CHECKOUT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_a_promotion_waits_once_for_a_primary_that_swallows_everything_and_never_again(tmp_path):
    told = in_a_namespace(str(tmp_path))
    assert told["swallowed"] > 0, "nothing was sent there: the test shows nothing"
    assert told["result"] == "promoted"
    assert told["writers"] == {"a": "west", "b": "west"}
    assert [fence["grade"] for fence in told["fences"]] == ["assumed"]
    assert told["seconds"] < OTHERS_S + LOADED
    facts = next(phase["seconds"] for phase in told["phases"] if phase["name"] == "facts")
    assert facts >= OTHERS_S * 0.9, "the primary was not waited for at all"
    assert told["seconds"] - facts < OTHERS_S, "a later step waited for it again"


def test_a_witness_that_swallows_everything_blocks_with_its_name_and_soon(tmp_path):
    told = in_a_namespace(str(tmp_path), "witness")
    assert (told["result"], told["exit"]) == ("WitnessUnreachable", 22)
    assert "10.99.0.2" in told["why"] or "s3://east" in told["why"]
    assert told["writers"] == {"a": "east", "b": "east"}
    assert told["seconds"] < WITNESS_S + LOADED
