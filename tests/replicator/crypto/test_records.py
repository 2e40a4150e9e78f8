"""Under a signed suite a record counts only with both signatures of a key whose role, term and standing allow it."""

from __future__ import annotations

import base64
import json
import time

import pytest

from replicator.crypto.notary import KeyNotary
from replicator.crypto.suites import DEFAULT
from replicator.crypto.trust import Revocation, read_trust, write_trust
from replicator.errors import KeyAbsent, RecordCorrupt, SignatureRefused
from replicator.log.entries import Commit, Compact, Drop, Open, Pin, Seal, Unpin, Upgrade, to_record
from replicator.log.records import canonical, seal_envelope
from replicator.log.slots import SlotLog, slot_key
from replicator.model import CommitId, Id
from replicator.repository.repository import Repository
from tests.replicator.crypto.rig import altered, appended, committed, forge, key_of, ring
from tests.replicator.log.builders import what, where
from tests.replicator.repository.rig import memory_store


def test_what_was_signed_is_read_by_whoever_has_the_trust_file_alone(family):
    committed(family)
    reader = family.hand().log("gpt")
    assert list(reader.view().accepted) == [CommitId(1, 1)]
    assert [record.signer for record in reader._slots.read()] == ["promoter", "writer"]


def test_a_reader_without_keys_refuses_what_is_signed(family):
    with pytest.raises(KeyAbsent, match="no keys are at hand"):
        Repository("west", family.store).log("gpt").view()
    with pytest.raises(KeyAbsent, match="encrypted and signed"):
        Repository("west", family.store).format()


def test_an_unsigned_record_blocks_the_log(family):
    committed(family)
    envelope = json.loads(family.store.get(key_of(2)))
    payload = json.loads(base64.b64decode(envelope["payload"]))
    with (
        altered(family.store, key_of(2), seal_envelope(payload)),
        pytest.raises(SignatureRefused, match="is not signed"),
    ):
        family.hand().log("gpt").view()


@pytest.mark.parametrize("algorithm", ["ed25519", "ml-dsa-65"])
def test_one_signature_of_the_two_is_not_enough(family, algorithm):
    committed(family)
    envelope = json.loads(family.store.get(key_of(2)))
    left = [each for each in envelope["signatures"] if not each["keyid"].endswith(algorithm)]
    assert len(left) == 1
    for signatures in (left, [*left, {"keyid": f"writer#{algorithm}", "sig": left[0]["sig"]}], [*left, *left]):
        bent = canonical({**envelope, "signatures": signatures})
        with altered(family.store, key_of(2), bent), pytest.raises(SignatureRefused, match="do not hold"):
            family.hand().log("gpt").view()


def test_a_changed_byte_of_the_payload_blocks_the_log(family):
    committed(family)
    envelope = json.loads(family.store.get(key_of(2)))
    payload = base64.b64decode(envelope["payload"]).replace(b'"step":100', b'"step":900')
    bent = canonical({**envelope, "payload": base64.b64encode(payload).decode()})
    with altered(family.store, key_of(2), bent), pytest.raises(SignatureRefused, match="do not hold"):
        family.hand().log("gpt").view()


def test_a_key_that_the_trust_file_does_not_know_blocks_the_log(family, tmp_path):
    committed(family)
    envelope = json.loads(family.store.get(key_of(2)))
    renamed = [{**each, "keyid": each["keyid"].replace("writer", "stranger")} for each in envelope["signatures"]]
    bent = canonical({**envelope, "signatures": renamed})
    with altered(family.store, key_of(2), bent), pytest.raises(SignatureRefused, match="knows no key 'stranger'"):
        family.hand().log("gpt").view()


@pytest.mark.parametrize(
    ("by", "entry"),
    [
        ("keeper", Commit(term=1, what=what(1, 2), where=where())),
        ("verifier", Commit(term=1, what=what(1, 2), where=where())),
        ("promoter", Commit(term=1, what=what(1, 2), where=where())),
        ("operator", Commit(term=1, what=what(1, 2), where=where())),
        ("writer", Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=1.0, reason="")),
        ("promoter", Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=1.0, reason="")),
        ("writer", Pin(term=1, name="p", commit=Id(term=1, height=1), reason="")),
        ("verifier", Pin(term=1, name="p", commit=Id(term=1, height=1), reason="")),
        ("writer", Unpin(term=1, name="p")),
        ("writer", Compact(term=1, commit=Id(term=1, height=1), where=where())),
        ("promoter", Compact(term=1, commit=Id(term=1, height=1), where=where())),
        ("verifier", Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=1.0, reason="")),
        ("writer", Seal(term=1, reason="mine")),
        ("keeper", Seal(term=1, reason="mine")),
        ("verifier", Seal(term=1, reason="mine")),
        ("operator", Seal(term=1, reason="mine")),
        ("writer", Upgrade(term=1, reader=1, writer=1, release="1", reason="mine")),
        ("verifier", Upgrade(term=1, reader=1, writer=1, release="1", reason="mine")),
        ("verifier", Open(term=2, writer="mallory")),
        ("operator", Open(term=2, writer="mallory")),
        ("writer", Open(term=2, writer="mallory")),
        ("keeper", Open(term=2, writer="mallory")),
        ("writer", Open(term=1, writer="mallory", assignment={"term": 1})),
    ],
)
def test_a_key_signs_only_its_roles_entries(family, by, entry):
    committed(family)
    kind, body = to_record(entry)
    if isinstance(entry, Commit):
        vouched = family.all().notary.vouch(entry.what)
        kind, body = to_record(entry.model_copy(update={"signatures": vouched}))
    appended(family, kind, body, by=by)
    with pytest.raises(SignatureRefused, match=f"key {by} is .* signed a {entry.kind}"):
        family.hand().log("gpt").view()


def test_a_seal_is_the_promoters_alone(family):
    for by in ("writer", "keeper", "verifier", "escrow"):
        with pytest.raises(KeyAbsent, match="may sign a seal"):
            family.hand(by).log("gpt").seal(1, reason="mine")
    family.hand("promoter").log("gpt").seal(1, reason="promotion")


@pytest.mark.parametrize("binding", ["suite", "environment", "repository"])
def test_a_record_of_another_suite_family_or_repository_blocks_the_log(family, binding):
    appended(family, "seal", {"term": 1, "reason": "", "operation": None}, by="promoter", **{binding: "other"})
    with pytest.raises(SignatureRefused, match=f"is of {binding} 'other'"):
        family.hand().log("gpt").view()


def test_a_commits_contents_are_vouched_for_by_a_writer(family):
    body = to_record(Commit(term=1, what=what(1, 1), where=where()))[1]
    appended(family, "commit", body, by="writer")
    with pytest.raises(SignatureRefused, match="its checkpoint: is not signed"):
        family.hand().log("gpt").view()


def test_signatures_over_other_contents_or_by_another_role_do_not_vouch(family):
    notary = family.all().notary
    assert isinstance(notary, KeyNotary)
    one, other = what(1, 1), what(1, 2)
    with pytest.raises(SignatureRefused, match="do not hold"):
        notary.vouched(other, notary.vouch(one), "here")
    promoter = notary._ring.trust.key("promoter")
    with pytest.raises(SignatureRefused, match="vouched for a checkpoint"):
        notary.vouched(one, notary._sign(promoter, notary._said(one)), "here")


def test_an_older_commit_that_a_promoter_copies_keeps_its_writers_word(family):
    committed(family)
    log = family.all().log("gpt")
    there = log.view().accepted[CommitId(1, 1)]
    other = memory_store()
    family.add(other)
    copied = family.hand("promoter", store=other).log("gpt")
    copied.open(Open(term=2, writer="west", heads={"1": 1}))
    copied.append(lambda _: Commit(term=2, what=there.what, where=where(name="n"), signatures=there.signatures))
    seen = family.hand(store=other).log("gpt").view().accepted[CommitId(1, 1)]
    assert (seen.what, seen.where.manifest.digest) == (there.what, "n")
    with pytest.raises(KeyAbsent):
        copied.commit(what(2, 1), lambda _: where(), term=2)


def test_compaction_is_signed_by_the_keeper_and_leaves_the_writers_word(family):
    from replicator.log.entries import Compact

    committed(family)
    keeper = family.hand("keeper").log("gpt")
    keeper.append(lambda _: Compact(term=1, commit=Id(term=1, height=1), where=where(name="n")))
    seen = family.hand().log("gpt").view().accepted[CommitId(1, 1)]
    assert seen.where.manifest.digest == "n"
    assert family.hand().notary.vouched(seen.what, seen.signatures, "here") == "writer"


def test_only_keys_that_the_assignment_lists_commit_in_its_term(family):
    log = family.all().log("gpt")
    log.seal(1, reason="promotion")
    log.open(Open(term=2, writer="west", assignment={"term": 2, "workload": {"keys": ["west-writer"]}}))
    with pytest.raises(KeyAbsent, match="may sign a checkpoint"):
        family.hand("writer").log("gpt").commit(what(2, 1), lambda _: where(), term=2)
    entry = Commit(term=2, what=what(2, 1), where=where())
    vouched = entry.model_copy(update={"signatures": family.all().notary.vouch(entry.what)})
    appended(family, "commit", to_record(vouched)[1], by="writer")
    with pytest.raises(SignatureRefused, match="assignment of term 2 does not list key writer"):
        family.hand().log("gpt").view()


def test_a_writer_that_is_not_listed_cannot_pass_off_a_commit_as_a_copy(family):
    committed(family)
    old = family.all().log("gpt").view().accepted[CommitId(1, 1)]
    other = memory_store()
    family.id = family.add(other)
    log = family.all(store=other).log("gpt")
    keys = {"workload": {"keys": ["west-writer"]}}
    log.open(Open(term=2, writer="west", heads={"1": 1}, assignment={"term": 2, **keys}))
    entry = Commit(term=2, what=old.what, where=where(name="bad"), signatures=old.signatures)
    with pytest.raises(KeyAbsent, match="may sign a commit"):
        family.hand("writer", store=other).log("gpt").append(lambda _: entry)
    forged = forge(family, 2, *to_record(entry), by="writer", previous=log.slot(1).digest)
    other.create(key_of(2), forged)
    with pytest.raises(SignatureRefused, match="does not list key writer"):
        family.hand(store=other).log("gpt").view()


def test_a_revoked_keys_records_stand_up_to_where_the_log_was_and_block_after(family):
    committed(family)
    trust = read_trust(family.keys)
    through = {f"{family.id}/log/gpt": 2}
    gone = trust.key("writer").model_copy(
        update={"revoked": Revocation(at=time.time(), reason="stolen", through=through)}
    )
    write_trust(family.keys, trust.with_key(gone))
    assert list(family.hand().log("gpt").view().accepted) == [CommitId(1, 1)]
    with pytest.raises(KeyAbsent, match="may sign"):
        committed(family, 2)
    entry = Commit(term=1, what=what(1, 2), where=where())
    said = KeyNotary(ring(family.keys), repository=family.id, suite=DEFAULT)
    vouched = entry.model_copy(update={"signatures": said._sign(gone, said._said(entry.what))})
    appended(family, "commit", to_record(vouched)[1], by="writer")
    with pytest.raises(SignatureRefused, match="was revoked before it \\(stolen\\)"):
        family.hand().log("gpt").view()


def test_a_receipt_is_a_verifiers(family):
    committed(family)
    log = family.all().log("gpt")
    said = {"record": log.slot(2).digest, "ok": True}
    with pytest.raises(KeyAbsent, match="may sign a receipt"):
        family.hand("writer").receipts.write("gpt", 2, "stored", "west", **said)
    family.hand("verifier").receipts.write("gpt", 2, "stored", "west", **said)
    assert family.hand().receipts.levels("gpt", 2, ("stored",)) == {"stored": True}


@pytest.mark.parametrize("by", ["writer", "keeper", "promoter", "operator"])
def test_a_receipt_that_no_verifier_signed_is_refused_whoever_wrote_it(family, by):
    committed(family)
    prefix = f"receipts/gpt/{2:020d}/proved/west"
    said = {"ok": True, "reason": None, "record": family.all().log("gpt").slot(2).digest}
    key = slot_key(prefix, 1)
    family.store.create(key, forge(family, 1, "receipt", said, by=by, log=prefix))
    with pytest.raises(SignatureRefused, match=f"key {by} is .*, and signed a receipt"):
        family.hand().receipts.levels("gpt", 2, ("proved",))
    family.store.delete(key)
    family.store.create(key, forge(family, 1, "receipt", said, by="verifier", log=prefix))
    assert family.hand().receipts.levels("gpt", 2, ("proved",)) == {"proved": True}


def test_a_signed_record_that_belongs_to_another_slot_blocks(family):
    committed(family)
    committed(family, 2)
    with (
        altered(family.store, key_of(3), family.store.get(key_of(2))),
        pytest.raises(RecordCorrupt, match="holds the record"),
    ):
        family.hand().log("gpt").view()


def test_an_unsigned_log_stays_the_bytes_that_it_was():
    store = memory_store()
    log = SlotLog(store, "log/w", clock=lambda: 1.5, token=lambda: "t")
    log.append(lambda _: ("seal", {"term": 1}))
    assert b'"signatures":[]' in store.get(slot_key("log/w", 1))
    assert b"suite" not in base64.b64decode(json.loads(store.get(slot_key("log/w", 1)))["payload"])
