"""Entries as records: each kind reads back, and what this version does not know blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from replicator.errors import RecordCorrupt
from replicator.log.entries import from_record, to_record
from replicator.log.records import Record, decode, encode
from tests.replicator.log.builders import commit, compact, drop, opened, pin, seal, unpin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.entries import Entry

LOG = "log/gpt"
EVERY = [commit(2, 1, base=(1, 4)), opened(3, t1=4, t2=7), seal(0), pin(1, "p", 1, 1), unpin(1, "p"), drop(1, (1, 1)),
         compact(1, 1, 1)]  # fmt: skip


def through_bytes(entry: Entry) -> Record:
    kind, body = to_record(entry)
    return decode(encode(LOG, 1, None, "t", kind, 0.0, body), LOG, 1)


def record(kind: str, body: Mapping[str, Any]) -> Record:
    return decode(encode(LOG, 1, None, "t", kind, 0.0, body), LOG, 1)


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.kind)
def test_an_entry_reads_back_from_its_bytes(entry: Entry) -> None:
    assert from_record(through_bytes(entry), LOG) == entry


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.kind)
def test_a_field_from_the_future_blocks_rather_than_being_ignored(entry: Entry) -> None:
    kind, body = to_record(entry)
    with pytest.raises(RecordCorrupt, match=f"{LOG}/1"):
        from_record(record(kind, {**body, "unless": "x"}), LOG)


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.kind)
def test_a_missing_term_blocks(entry: Entry) -> None:
    kind, body = to_record(entry)
    with pytest.raises(RecordCorrupt):
        from_record(record(kind, {name: value for name, value in body.items() if name != "term"}), LOG)


def test_a_kind_from_the_future_blocks() -> None:
    with pytest.raises(RecordCorrupt):
        from_record(record("merge", {"term": 1}), LOG)


def test_a_body_cannot_make_a_record_of_one_kind_into_another() -> None:
    _, body = to_record(seal(1))
    with pytest.raises(RecordCorrupt, match="twice"):
        from_record(record("commit", {**body, "kind": "seal"}), LOG)
    with pytest.raises(RecordCorrupt, match="twice"):
        from_record(record("seal", {**body, "kind": "seal"}), LOG)


@pytest.mark.parametrize("term", ["1", 1.0, True, 0, -1, None])
def test_a_term_is_a_number_from_one_and_nothing_that_looks_like_it(term: object) -> None:
    kind, body = to_record(unpin(1, "p"))
    with pytest.raises(RecordCorrupt):
        from_record(record(kind, {**body, "term": term}), LOG)


@pytest.mark.parametrize("heads", [{"x": 1}, {"01": 1}, {"0": 1}, {"1": -1}, {"1": "4"}, {"": 1}, {"1.0": 1}])
def test_heads_are_terms_and_heights(heads: dict[str, object]) -> None:
    kind, body = to_record(opened(3))
    with pytest.raises(RecordCorrupt):
        from_record(record(kind, {**body, "heads": heads}), LOG)


def test_a_commit_of_another_workload_blocks() -> None:
    kind, body = to_record(commit(1, 1))
    assert from_record(record(kind, body), LOG)
    with pytest.raises(RecordCorrupt, match="chat"):
        from_record(record(kind, {**body, "what": {**body["what"], "workload": "chat"}}), LOG)
