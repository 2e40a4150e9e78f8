"""The record of drills on the witness: one at a time, one end each."""

from __future__ import annotations

import pytest

from drstack.errors import OperationConflict, WitnessUnsound
from drstack.witness.witness import Witness
from replicator.repository.repository import random_token
from replicator.stores.cloud import memory_store


@pytest.fixture
def witness():
    return Witness(memory_store(), "e", clock=lambda: 1.0, token=random_token)


def body(identity):
    return {"id": identity, "kind": "full", "site": "west", "by": "ops", "host": "h"}


def test_a_drill_that_began_and_has_no_end_keeps_others_from_beginning(witness):
    witness.drills().begin(body("one"))
    with pytest.raises(OperationConflict, match="drill one by ops on h"):
        witness.drills().begin(body("two"))
    assert witness.drills().open().id == "one"


def test_the_first_end_stands(witness):
    log = witness.drills()
    log.begin(body("one"))
    log.end("one", {"result": "passed", "ended_at": 5.0})
    stands = witness.drills().end("one", {"result": "killed", "ended_at": 9.0})
    assert (stands.result, stands.ended_at) == ("passed", 5.0)
    log.begin(body("two"))
    assert [(each.id, each.result) for each in log.all()] == [("one", "passed"), ("two", None)]


def test_an_end_of_a_drill_that_never_began_is_refused(witness):
    with pytest.raises(WitnessUnsound):
        witness.drills().end("none", {"result": "passed", "ended_at": 5.0})
    assert witness.drills().all() == ()
