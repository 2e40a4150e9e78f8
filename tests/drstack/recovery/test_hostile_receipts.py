"""Words that should not count: of a site that is gone, about another record, about another content under the same name."""

from __future__ import annotations

import pytest

from drstack.errors import PromotionRefused
from drstack.recovery.conduct import plan_only, promote
from drstack.recovery.plan import Given
from replicator.model import CommitId
from tests.drstack.recovery.test_interruptions import find_again, lose
from tests.drstack.recovery.world import Rig

BY = Given(by="test")


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_the_proof_of_a_site_that_is_gone_is_not_heard_and_blocks_nothing(rig):
    rig.save(10, age_s=20)
    rig.save(20)
    rig.prove(10, at="east")
    assert plan_only(rig.world(), "west", BY).workloads[0].step == 10
    lose(rig, "east")
    assert promote(rig.world(), "west", BY)["workloads"][0]["step"] == 20


def test_a_refutation_that_a_dead_site_keeps_to_itself_is_heeded_once_it_is_back(rig):
    rig.save(10, age_s=20)
    rig.save(20)
    rig.prove(20, ok=False, at="east")
    lose(rig, "east")
    assert plan_only(rig.world(), "west", BY).workloads[0].step == 20
    find_again(rig, "east")
    assert plan_only(rig.world(), "west", BY).workloads[0].step == 10


@pytest.mark.parametrize("level", ["stored", "decoded", "proved"])
def test_a_receipt_that_names_an_older_record_of_the_slot_says_nothing(rig, level):
    rig.save(10, age_s=20)
    rig.save(20, receipts=False)
    repository = rig.repository("west")
    slot = repository.log("gpt").view().accepted[CommitId(1, 2)].slot
    true, older = repository.log("gpt").slot(slot).digest, "0" * 64
    for each in ("stored", "decoded", "proved"):
        record = older if each == level else true
        repository.receipts.write("gpt", slot, each, "west", record=record, ok=True)
    part = plan_only(rig.world(), "west", BY).workloads[0]
    assert (part.step, part.why.startswith("proved")) == ((20, False) if level == "proved" else (10, False))


def test_a_proof_alone_makes_no_recovery_point(rig):
    rig.save(10, receipts=False)
    rig.prove(10)
    with pytest.raises(PromotionRefused, match="no reachable repository has a checkpoint with receipts"):
        plan_only(rig.world(), "west", BY)


def test_a_proof_of_another_content_under_the_same_name_is_no_proof_of_this_one(rig):
    rig.save(10, to=("west",))
    (rig.folder / "source" / "step-00000010" / "weights").unlink()
    rig.folder = rig.folder / "other"
    rig.save(10, to=("east",), age_s=5)
    rig.prove(10, at="east")
    part = plan_only(rig.world(), "west", BY).workloads[0]
    assert not part.why.startswith("proved")
