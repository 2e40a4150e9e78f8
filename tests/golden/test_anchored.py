"""Anchors of this format stay readable, by us and by another program, which both refuse a log that ends before."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from replicator.errors import RecordCorrupt
from replicator.log.slots import slot_key
from replicator.repository.anchors import Anchors, head_to_anchor, why_behind
from replicator.repository.repository import Repository, random_token
from replicator.stores.local import LocalStore
from tests.golden.make import made_before
from tests.golden.rig import appended

HERE = Path(__file__).parent
KINDS = ("plain", "encrypted")


@pytest.fixture
def golden(tmp_path):
    for name in ("repository", "encrypted", "witness"):
        shutil.copytree(HERE / name, tmp_path / name)
    for path in (tmp_path / "encrypted" / "keys").glob("*.key"):
        path.chmod(0o600)  # a checkout does not keep it
    return tmp_path


def opened(golden, kind):
    return made_before(golden)[KINDS.index(kind)]


def second(golden, kind):
    keys = [] if kind == "plain" else [str(golden / "encrypted" / "keys"), "operator"]
    place = golden / "repository" if kind == "plain" else golden / "encrypted" / "repository"
    return subprocess.run(
        [sys.executable, str(HERE / "reader.py"), str(place), "gpt", str(golden / "out"), *keys,
         str(golden / "witness" / kind / "heads" / "west")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_both_readers_find_the_last_anchor_and_a_log_that_reaches_it(golden, kind):
    there = opened(golden, kind)
    kept = Anchors(LocalStore(golden / "witness"), kind, clock=time.time, token=random_token)
    found = kept.last(there, "gpt")
    assert found is not None
    assert found.anchor == head_to_anchor(there, "gpt", there.log("gpt").view())
    assert (found.anchor.slot, found.anchor.term, found.anchor.height) == (10, 2, 2)
    assert second(golden, kind).stdout.strip() == "40"


@pytest.mark.parametrize("kind", KINDS)
def test_both_readers_refuse_a_log_that_ends_before_its_anchor(golden, kind):
    there = opened(golden, kind)
    kept = Anchors(LocalStore(golden / "witness"), kind, clock=time.time, token=random_token)
    anchor = kept.last(there, "gpt").anchor
    there.store.delete(slot_key("log/gpt", 10))
    assert "it ends before slot 10" in why_behind(there.store, "gpt", anchor)
    done = second(golden, kind)
    assert done.returncode != 0
    assert "rolled back: slot 10" in done.stderr


@pytest.mark.parametrize("slot", [9, 10])
def test_both_readers_refuse_an_anchor_that_goes_back(golden, slot):
    there = opened(golden, "plain")
    said = {"slot": slot, "digest": there.log("gpt").slot(slot).digest, "term": 2, "height": 2}
    witness = Repository("west", LocalStore(golden / "witness"))
    appended(witness, "anchor", said, f"plain/heads/west/gpt/{there.format().repository}")
    with pytest.raises(RecordCorrupt, match="and slot 2 before it slot 10"):
        Anchors(witness.store, "plain", clock=time.time, token=random_token).last(there, "gpt")
    assert "AssertionError" in second(golden, "plain").stderr


def test_an_anchor_whose_key_was_revoked_holds_its_slot_and_says_nothing_to_either_reader(golden):
    there = opened(golden, "encrypted")
    trust = json.loads((golden / "encrypted" / "keys" / "trust.json").read_text())
    logs = {f"{trust['repositories'][0]['id']}/log/gpt": 10}
    for key in trust["keys"]:
        if key["name"] == "keeper":
            key["revoked"] = {"at": 1.0, "reason": "rotated", "through": logs}
    (golden / "encrypted" / "keys" / "trust.json").write_text(json.dumps(trust))
    there.store.delete(slot_key("log/gpt", 10))
    kept = Anchors(LocalStore(golden / "witness"), "encrypted", clock=time.time, token=random_token)
    assert kept.last(there, "gpt") is None
    assert second(golden, "encrypted").stdout.strip() == "40"
