"""What a killed update left: decided from values only."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from drstack.reconcile.locks import Lock, parse_lock
from drstack.reconcile.lookup import ByPackage, Found, LookupImpossible
from drstack.reconcile.repair import (
    Holders,
    Refusal,
    Repair,
    judge_locks,
    mended,
    pending,
    plan_repair,
)

STACK = "gpt.east"
HERE = Holders("here", alive=(7,))


def urn(name: str, kind: str = "aws:s3/bucket:Bucket") -> str:
    return f"urn:pulumi:{STACK}::drstack::{kind}::{name}"


def resource(name: str, **more: object) -> dict[str, object]:
    return {"urn": urn(name), "type": "aws:s3/bucket:Bucket", "custom": True, "inputs": {"bucket": name}} | more


def operation(name: str, kind: str = "creating", **more: object) -> dict[str, object]:
    return {"resource": resource(name, **more), "type": kind}


def state(*resources: object, operations: tuple[object, ...] = ()) -> dict[str, object]:
    return {"version": 3, "deployment": {"resources": list(resources), "pending_operations": list(operations)}}


def resources(of: dict[str, object]) -> list[dict[str, object]]:
    return of["deployment"]["resources"]  # type: ignore[index]


def test_a_lock_of_another_host_is_refused():
    refusal = judge_locks(STACK, [Lock("a.json", 9, "there")], HERE)
    assert isinstance(refusal, Refusal)
    assert "there" in refusal.why
    assert f"pulumi cancel --yes --stack {STACK}" in refusal.hint


def test_a_lock_of_a_living_engine_is_refused_without_a_way_to_break_it():
    refusal = judge_locks(STACK, [Lock("a.json", 7, "here")], HERE)
    assert isinstance(refusal, Refusal)
    assert "cancel" not in refusal.hint


def test_a_lock_of_a_dead_process_here_is_broken():
    assert judge_locks(STACK, [Lock("a.json", 9, "here")], HERE) is None


def test_one_lock_that_may_be_held_is_enough_to_refuse():
    assert judge_locks(STACK, [Lock("a.json", 9, "here"), Lock("b.json", 9, "there")], HERE) is not None


def test_a_lock_that_cannot_be_read_is_refused():
    refusal = judge_locks(STACK, [parse_lock("torn.json", b'{"pid": 4')], HERE)
    assert isinstance(refusal, Refusal)
    assert "torn.json" in refusal.why


def test_reads_a_lock_as_the_engine_writes_it():
    body = b'{"pid":28672,"username":"root","hostname":"vm","timestamp":"2026-11-21T06:01:56.054918105Z"}'
    lock = parse_lock("k.json", body)
    assert (lock.pid, lock.host, lock.user) == (28672, "vm", "root")
    assert lock.at is not None
    assert abs(lock.at - 1795240916.054918) < 0.001


def test_a_creation_that_took_place_is_adopted_with_its_id():
    before = state(resource("log", id="log"), operations=(operation("ckpt", parent="p"),))
    found = Found("ckpt-1", {"arn": "arn:1"})
    repair = plan_repair(STACK, pending(before), {urn("ckpt"): found})
    assert isinstance(repair, Repair)
    after = mended(before, repair)
    assert resources(after) == [
        resource("log", id="log"),
        resource("ckpt", parent="p", id="ckpt-1", outputs={"arn": "arn:1"}),
    ]
    assert "pending_operations" not in after["deployment"]  # type: ignore[operator]


def test_a_creation_that_did_not_take_place_is_dropped():
    before = state(operations=(operation("ckpt"),))
    repair = plan_repair(STACK, pending(before), {urn("ckpt"): None})
    assert isinstance(repair, Repair)
    assert [each.urn for each in repair.drop] == [urn("ckpt")]
    assert resources(mended(before, repair)) == []


def test_a_creation_that_nobody_can_look_up_is_refused_and_named():
    before = state(operations=(operation("ckpt"), operation("log")))
    refusal = plan_repair(STACK, pending(before), {urn("ckpt"): "unknown", urn("log"): None})
    assert isinstance(refusal, Refusal)
    assert urn("ckpt") in refusal.why
    assert urn("log") not in refusal.why


def test_a_pending_update_keeps_the_resource_and_drops_the_operation():
    before = state(resource("ckpt", id="1"), operations=(operation("ckpt", "updating", id="1"),))
    repair = plan_repair(STACK, pending(before), {})
    assert isinstance(repair, Repair)
    assert resources(mended(before, repair)) == [resource("ckpt", id="1")]


def test_a_replacement_cut_off_after_its_create_marks_the_old_one_for_deletion():
    before = state(resource("ckpt", id="old"), operations=(operation("ckpt"),))
    repair = plan_repair(STACK, pending(before), {urn("ckpt"): Found("new", {})})
    assert isinstance(repair, Repair)
    after = resources(mended(before, repair))
    assert [(each["id"], each.get("delete", False)) for each in after] == [("old", True), ("new", False)]


def test_a_create_found_under_the_id_that_stands_already_adds_nothing():
    before = state(resource("ckpt", id="same"), operations=(operation("ckpt"),))
    repair = plan_repair(STACK, pending(before), {urn("ckpt"): Found("same", {})})
    assert isinstance(repair, Repair)
    assert resources(mended(before, repair)) == [resource("ckpt", id="same")]


KINDS = st.sampled_from(["creating", "updating", "deleting", "reading", "importing"])
SEEN = st.sampled_from([None, Found("id-1", {"a": 1})])


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(KINDS, SEEN, st.booleans())))
def test_a_repair_forgets_nothing_that_stands_or_was_found_and_leaves_nothing_pending(cut_off):
    standing = [resource(name, id=f"{name}-0") for name, (_, _, stands) in cut_off.items() if stands]
    before = state(*standing, operations=tuple(operation(name, kind) for name, (kind, _, _) in cut_off.items()))
    kept = copy.deepcopy(before)
    seen = {urn(name): found for name, (kind, found, _) in cut_off.items() if kind == "creating"}
    repair = plan_repair(STACK, pending(before), seen)
    assert isinstance(repair, Repair)
    after = mended(before, repair)
    assert before == kept
    assert pending(after) == []
    ids = [(each["urn"], each["id"]) for each in resources(after)]
    assert {(each["urn"], each["id"]) for each in standing} <= set(ids)
    assert {(each, found.id) for each, found in seen.items() if found} <= set(ids)
    assert len(ids) == len(set(ids))
    live = [each["urn"] for each in resources(after) if not each.get("delete")]
    assert len(live) == len(set(live))


def test_our_own_types_need_no_look_up_and_others_are_never_called_absent():
    lookup = ByPackage({"aws": lambda urn, type_, inputs: Found("x", {})})
    assert lookup("u", "drstack:index:Site", {}) is None
    assert lookup("u", "aws:s3/bucket:Bucket", {}) == Found("x", {})
    try:
        lookup("u", "gcp:storage/bucket:Bucket", {})
    except LookupImpossible:
        return
    raise AssertionError
