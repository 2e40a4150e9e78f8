"""A log that is shorter than its anchor on the witness is chosen by nobody, and opened by nobody, until it is put back."""

from __future__ import annotations

import shutil
import time

import pytest

from drstack.errors import PromotionRefused, WitnessUnsound
from drstack.provider.checkpoint_repository import CheckpointRepository, CheckpointRepositoryInputs
from drstack.recovery.conduct import look, plan_only, promote
from drstack.recovery.plan import Given
from drstack.recovery.status import status
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.errors import RolledBack
from replicator.log.slots import slot_key
from replicator.repository.anchors import Anchors, head_to_anchor
from replicator.repository.repository import Repository, random_token
from replicator.stores.local import LocalStore
from tests.drstack.recovery.world import NEED, Rig

BY = Given(by="test")


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def anchor(store, environment, repository):
    kept = Anchors(store, environment, clock=time.time, token=random_token)
    return kept.note(repository, "gpt", head_to_anchor(repository, "gpt", repository.log("gpt").view()))


def take_back(store, workload="gpt"):
    """The last entry of the log goes; what it was."""
    key = max(store.list(f"log/{workload}"))
    body = store.get(key)
    store.delete(key)
    return key, body


def test_a_promotion_refuses_a_log_that_is_shorter_than_its_anchor_and_says_how_to_put_it_back(rig):
    rig.save(10, age_s=5)
    rig.save(20)
    anchor(rig.stores["witness"], "e", rig.repository("west"))
    key, body = take_back(rig.stores["west"])
    with pytest.raises(
        PromotionRefused, match=r"it ends before slot 3.*replicator repair --repo .* --anchors .*#e/west"
    ):
        plan_only(rig.world(), "west", BY)
    rig.stores["west"].create(key, body)
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 20


def test_another_record_in_the_anchored_slot_is_no_continuation(rig):
    rig.save(10)
    anchor(rig.stores["witness"], "e", rig.repository("west"))
    take_back(rig.stores["west"])
    rig.repository("west").log("gpt").seal(1, reason="a log that went apart")
    with pytest.raises(PromotionRefused, match="slot 2 is not the record that is anchored"):
        plan_only(rig.world(), "west", BY)


def test_the_status_says_how_far_a_log_is_anchored_and_that_it_was_rolled_back(rig):
    rig.save(10)
    anchor(rig.stores["witness"], "e", rig.repository("west"))
    said = status("e", look(rig.world()), {"gpt": NEED}, None)["workloads"]["gpt"]["replication"]
    assert said["west"]["rolled_back"] is None
    assert (said["west"]["anchor"]["slot"], said["west"]["anchor"]["height"]) == (2, 1)
    assert said["east"]["anchor"] is None
    take_back(rig.stores["west"])
    said = status("e", look(rig.world()), {"gpt": NEED}, None)["workloads"]["gpt"]
    assert "it ends before slot 2" in said["replication"]["west"]["rolled_back"]
    assert said["recovery_point"] is None
    assert "no other site has a recovery point" in said["sentence"]


def test_an_anchor_that_cannot_be_read_blocks_with_the_key_to_put_back(rig):
    rig.save(10)
    west = rig.repository("west")
    anchor(rig.stores["witness"], "e", west)
    key = slot_key(f"e/heads/west/gpt/{west.format().repository}", 1)
    rig.stores["witness"].delete(key)
    rig.stores["witness"].create(key, b"{}")
    with pytest.raises(WitnessUnsound, match="e/heads/west/gpt"):
        look(rig.world())


def test_a_site_that_was_made_anew_is_not_held_against_the_anchors_of_the_old_one(rig):
    rig.save(10)
    anchor(rig.stores["witness"], "e", rig.repository("west"))
    before = rig.stores["west"]
    fresh = Rig(rig.folder / "fresh")
    rig.stores["west"] = fresh.stores["west"]
    assert rig.repository("west").format().repository != Repository("west", before).format().repository
    assert look(rig.world()).workloads["gpt"].repositories["west"].rolled_back is None


def test_an_update_does_not_open_a_term_in_a_log_that_was_rolled_back(tmp_path):
    witness = LocalStore(tmp_path / "witness")
    (tmp_path / "witness").mkdir()
    known = Witness(witness, "e", clock=time.time, token=random_token)
    known.found()
    known.assign(Assignment(number=1, workloads={"gpt": WorkloadAssignment(writer="east", term=1)}, cause="create"))
    folder = tmp_path / "west"
    folder.mkdir()
    inputs = CheckpointRepositoryInputs(
        folder=str(folder), witness=(tmp_path / "witness").as_uri(), environment="e", workloads=("gpt",)
    )
    made = CheckpointRepository()
    made.update(inputs)
    anchor(witness, "e", Repository("west", LocalStore(folder / "store")))
    shutil.rmtree(folder / "store" / "log")
    with pytest.raises(RolledBack, match="it ends before slot 1"):
        made.update(inputs)
    assert not (folder / "store" / "log").exists()
