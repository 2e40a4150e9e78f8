"""Real checkpoints of the training program, replayed by real processes at a local site: what is sound proves bit for bit,
what was made wrong on purpose is caught."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drstack.platforms.local import jobs
from drstack.platforms.local.apart import LocalStandby
from drstack.platforms.local.desired import Desired, Program, change
from drstack.platforms.local.folder import site_folder
from drstack.proving.evidence import Evidence, evidence
from drstack.proving.history import History
from drstack.proving.losses import read_losses
from drstack.proving.proof import compare, unlikeness
from drstack.proving.prover import Prover, Settings
from replicator.layouts import inspect
from replicator.repository.restore import restore
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from tests.drstack.proving import workshop
from tests.replicator.repository import rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders `sound`, `tensor`, `loader`, `rng`, `optimizer`."""
    folder = tmp_path_factory.mktemp("workshop")
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([sys.executable, workshop.__file__, str(folder)], env=environ, check=True, timeout=PATIENCE_S)
    return folder


@pytest.fixture
def site(tmp_path):
    """A standby with one idle slot and the job of one rank that made the checkpoints."""
    folder = site_folder(tmp_path / "west")
    folder.make()
    change(folder, lambda _: Desired(1))
    program = Program("examples.train", (), workshop.TINY, {"PYTHONPATH": str(workshop.ROOT)}, "checkpoints/gpt")
    jobs.define(folder, jobs.JobDefinition("gpt", 1, program))
    return folder


def shipped(made, damage="sound", *, edit=lambda folder: None, tmp=None):
    """A repository with steps 8 and 12 of the run, of which step 8 is that of `damage`."""
    repository = rig.repository(name="west")
    for height, step in enumerate((8, 12), 1):
        name = f"step-{step:08d}"
        source = made / (damage if step == 8 else "sound") / name
        if tmp is not None:
            source = Path(shutil.copytree(source, tmp / name))
            edit(source)
        snapshot = take_snapshot(source, inspect(source).files)
        push = Push("gpt", name, 1, height, step, f"a{height}", b"s" * 16, snapshot.saved_at)
        verify(repository, "gpt", ship(push, snapshot, repository), "west")
    return repository


def prover(repository, site):
    standby = LocalStandby(site, "west")
    return Prover(repository, standby, History(site.proofs), Settings(steps=3, deadline_s=PATIENCE_S)), standby


def words(repository, step):
    accepted = next(a for a in repository.log("gpt").view().in_order() if a.what.step == step)
    return repository.receipts.verdict("gpt", accepted.slot, "proved")


def test_a_sound_checkpoint_is_proved_bit_for_bit_and_nothing_is_left_behind(made, site):
    repository = shipped(made)
    proving, standby = prover(repository, site)
    with standby.held():
        outcome = proving.turn("gpt")
        again = proving.turn("gpt")
    assert (outcome.result, outcome.step) == ("proved", 8), outcome
    assert "3 steps (9 to 11) bit for bit" in outcome.reason
    assert words(repository, 8).ok
    assert words(repository, 12) is None
    assert (again.result, again.settled, "not arrived" in again.reason) == ("not provable", True, True)
    assert repository.log("gpt").view().pins == {}
    assert list(site.proving.iterdir()) == []
    assert list(site.checkpoints("checkpoints/gpt").iterdir()) == []
    assert not site.metrics("gpt").exists()


def test_one_tensor_changed_by_a_little_is_caught_and_said(made, site):
    repository = shipped(made, "tensor")
    proving, standby = prover(repository, site)
    with standby.held():
        outcome = proving.turn("gpt")
    assert (outcome.result, outcome.step) == ("failed", 8), outcome
    assert outcome.reason.startswith("step 9: ")
    assert " ulp apart)" in outcome.reason
    word = words(repository, 8)
    assert (word.ok, word.by, word.reason) == (False, "west", outcome.reason)
    assert repository.log("gpt").view().pins == {}


@pytest.mark.parametrize(("damage", "first"), [("loader", 9), ("rng", 9), ("optimizer", 10)])
def test_state_beside_the_weights_that_is_lost_is_caught(made, site, damage, first):
    repository = shipped(made, damage)
    order = repository.log("gpt").view().in_order()
    logs = [read_losses(repository, accepted) for accepted in order]
    speaks = evidence(8, logs[0], logs[1:], most=3, twin=False)
    assert isinstance(speaks, Evidence)
    standby = LocalStandby(site, "west")
    with standby.held(), standby.room("gpt") as room:
        restore(repository, order[0], room.checkpoints / order[0].what.name)
        replay = room.run(ranks=1, resume_step=8, steps=3, deadline_s=PATIENCE_S, give_way=lambda: None)
    assert replay.ended == "done", replay
    assert unlikeness(speaks.versions, replay.versions) == ()
    proof = compare(speaks.losses, replay.losses, unlike=(), tolerance=None)
    assert (proof.verdict, proof.step) == ("differs", first), proof


def test_other_losses_on_another_torch_are_withheld_until_something_is_known_of_the_pair(made, site, tmp_path):
    def other_torch(folder: Path) -> None:
        lines = (folder / "losses.jsonl").read_text().split("\n")
        start = json.loads(lines[0])
        start["versions"]["torch"] = "9.9.0"
        (folder / "losses.jsonl").write_text("\n".join([json.dumps(start), *lines[1:]]))

    repository = shipped(made, "tensor", edit=other_torch, tmp=tmp_path)
    proving, standby = prover(repository, site)
    with standby.held():
        outcome = proving.turn("gpt")
        again = proving.turn("gpt")
    assert (outcome.result, outcome.step) == ("withheld", 8), outcome
    assert "unlike: torch 9.9.0 logged" in outcome.reason
    assert "no tolerance is known" in outcome.reason
    assert words(repository, 8) is None
    assert (again.result, again.step) == ("not provable", None), again
    assert len(proving.history.read()) == 1, "it was tried again though nothing was learnt"
