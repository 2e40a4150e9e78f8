"""A witness of a newer format is refused with the release that it needs, and nothing is written there."""

from __future__ import annotations

import time

import pytest

from drstack.errors import WitnessUnsound
from drstack.witness.assignment import Assignment, WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.log.records import seal_envelope
from replicator.repository.repository import random_token
from replicator.stores.cloud import memory_store

FIRST = Assignment(number=1, workloads={"gpt": WorkloadAssignment(writer="east", term=1)}, cause="create")


def witness(store):
    return Witness(store, "e", clock=time.time, token=random_token)


@pytest.mark.parametrize("release", [None, "0.9"])
def test_a_newer_witness_is_neither_read_nor_written(release):
    store = memory_store()
    body = {"format": 2, "environment": "e", "environment_id": "x", "suite": "none"}
    store.create("e/format.json", seal_envelope(body | ({"release": release} if release else {})))
    for act in (
        lambda: witness(store).found(),
        lambda: witness(store).current(),
        lambda: witness(store).assign(FIRST),
        lambda: witness(store).publish("east", {"version": 1}),
    ):
        with pytest.raises(WitnessUnsound, match="of format 2; this version knows 1") as raised:
            act()
        assert (release or "newer") in raised.value.hint
        assert raised.value.exit_code == 23
    assert list(store.list("e")) == ["e/format.json"]


def test_a_format_that_cannot_be_read_blocks_with_the_page_to_read():
    store = memory_store()
    store.create("e/format.json", b"{}")
    with pytest.raises(WitnessUnsound, match="not a record"):
        witness(store).current()


def test_a_witness_of_this_format_is_found_and_assigned():
    store = memory_store()
    known = witness(store).found()
    assert witness(store).environment_id() == known
    assert witness(store).assign(FIRST) == FIRST


@pytest.mark.parametrize("path", [(), ("workloads", "gpt")])
def test_an_assignment_with_a_field_that_this_version_does_not_know_blocks(path):
    store = memory_store()
    witness(store).found()
    body = FIRST.model_dump(mode="json")
    at = body
    for each in path:
        at = at[each]
    at["unheard"] = 1
    witness(store).log("assignments").append(lambda _: ("assignment", body))
    with pytest.raises(WitnessUnsound, match="assignment 1: "):
        witness(store).current()
