"""What a record has that this version does not know: refused where it could change what is said, else passed over."""

from __future__ import annotations

import base64
import copy
import json

import pytest
import zstandard

from replicator.crypto import vault
from replicator.crypto.keyfile import read_key
from replicator.crypto.trust import read_trust
from replicator.errors import KeyLocked, RecordCorrupt, TooNew, Untrusted
from replicator.log.entries import Commit, Compact, Drop, Open, Pin, Seal, Unpin, Upgrade, to_record
from replicator.log.lineage import lineage
from replicator.log.records import canonical
from replicator.model import CommitId, Finding, Id, Participant, Point, Signature, Versions
from replicator.repository.anchors import Anchors
from replicator.repository.manifest import Chunker, Encryption, File, Folder, Link, TensorEntry, decode, encode
from replicator.repository.packs import manifest_key
from replicator.repository.readiness import restored_by
from replicator.repository.repository import Repository, random_token
from replicator.repository.select import select
from replicator.repository.ship import ship
from replicator.stores.local import LocalStore
from tests.golden.rig import REFUSALS, SECOND, appended, copied, encrypted, plain
from tests.replicator.log.builders import what, where
from tests.replicator.repository.rig import checkpoint, push, repository

ONE = Id(term=1, height=1)
SAID = what(2, 3).model_copy(
    update={
        "parent": ONE, "counter": "c", "beside": "b", "versions": Versions(by="watch", commit="c"),
        "findings": (Finding(reason="nan", tensor="w", evidence="1 NaN"),),
        "point": Point(made=True, paused_s=1.0, participants=(
            Participant(name="db", kind="postgres", ok=True, told="dumped", facts={"lsn": "0/1"}),
        )),
    }
)  # fmt: skip
PLACE = where((2, 2)).model_copy(update={"packs": (where().manifest,), "keys": ("k",)})
SIGNED = Signature(keyid="writer#ed25519", sig="")
ENTRIES = {
    "commit": Commit(term=2, what=SAID, where=PLACE, signatures=(SIGNED,), again=10),
    "open": Open(
        term=3, writer="west", heads={"1": 2}, counters={"1": ({"first": 1, "counter": "c"},)},
        assignment={"term": 3, "workload": {"keys": ["writer"], "head": {"term": 2, "height": 1}}},
    ),
    "seal": Seal(term=2, reason="r"),
    "pin": Pin(term=2, name="p", commit=ONE, reason="r"),
    "unpin": Unpin(term=2, name="p", reason="r"),
    "drop": Drop(term=2, commits=(ONE,), bytes_after=1.0, reason="r"),
    "compact": Compact(term=2, commit=ONE, where=PLACE, bytes_after=1.0, reason="r"),
    "upgrade": Upgrade(term=2, reader=1, writer=1, release="0.1", reason="r"),
}  # fmt: skip


def objects(value, path=()):
    """The path of each object in a document."""
    if isinstance(value, dict):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from objects(inner, (*path, key))


def with_more(value, path):
    """The document with a field that nobody knows, in the object at `path`."""
    changed = copy.deepcopy(value)
    at = changed
    for each in path:
        at = at[each]
    at["unheard"] = 1
    return changed


def bodies():
    return {kind: json.loads(canonical(to_record(entry)[1])) for kind, entry in ENTRIES.items()}


FREE = ("assignment", "heads", "counters", "facts")
"""Objects of entries that hold what they like, or terms; below `counters` are runs, which do not."""
PLACES = [(kind, path) for kind, body in bodies().items() for path in objects(body)]
BOUND = [(kind, path) for kind, path in PLACES if "assignment" not in path and path[-1:] not in {(n,) for n in FREE}]


@pytest.fixture
def golden(tmp_path):
    return copied("repository", tmp_path / "golden")


def test_every_level_of_an_entry_is_among_those_that_are_tried():
    assert {path[-1] if path else kind for kind, path in BOUND} >= {
        *ENTRIES, "what", "where", "versions", "point", "parent", "base", "manifest", "commit",
    }  # fmt: skip
    assert ("open", ("counters", "1", 0)) in BOUND
    assert ("commit", ("what", "point", "participants", 0)) in BOUND


@pytest.mark.parametrize(("kind", "path"), BOUND, ids=lambda each: each if isinstance(each, str) else str(each))
def test_an_unknown_field_of_an_entry_blocks_the_log_for_both_readers(golden, tmp_path, kind, path):
    body = bodies()[kind]
    if kind != "commit":  # a commit is signed or it is not, and this repository is plain
        appended(plain(copied("repository", tmp_path / "known")), kind, body)
        assert plain(tmp_path / "known").log("gpt").view().slots == 11
        assert len(SECOND.entries(SECOND.Repository(tmp_path / "known"), "gpt")) == 11
    appended(plain(golden), kind, with_more(body, path))
    with pytest.raises(RecordCorrupt, match="a newer version may have written it"):
        plain(golden).log("gpt").view()
    with pytest.raises(SystemExit, match="a newer version may have written it"):
        SECOND.entries(SECOND.Repository(golden), "gpt")


@pytest.mark.parametrize(
    "path", [("assignment",), ("assignment", "workload"), ("assignment", "workload", "head")], ids=str
)
def test_what_the_witness_says_is_copied_whatever_it_is_and_its_head_still_counts(golden, path):
    there = plain(golden)
    appended(there, "open", with_more(bodies()["open"], path))
    view = plain(golden).log("gpt").view()
    log = SECOND.entries(SECOND.Repository(golden), "gpt")
    assert lineage(view).left(CommitId(2, 2))
    assert SECOND.left(log, (2, 2))
    assert not lineage(view).left(CommitId(2, 1))
    assert not SECOND.left(log, (2, 1))


def test_unknown_fields_of_an_envelope_and_of_a_payload_beside_its_body_are_passed_over(golden, tmp_path):
    there = plain(golden)
    appended(there, "drop", bodies()["drop"], later="x")
    path = golden / "log" / "gpt" / f"{11:020d}"
    path.write_bytes(canonical(with_more(json.loads(path.read_bytes()), ())))
    assert plain(golden).log("gpt").view().slots == 11
    assert SECOND.restore(SECOND.Repository(golden), "gpt", tmp_path / "out")["step"] == 40


def test_unknown_fields_of_a_receipt_are_passed_over(golden, tmp_path):
    there = plain(golden)
    newest = there.log("gpt").view().in_order()[-1]
    record = there.log("gpt").slot(newest.slot).digest
    said = {"ok": True, "reason": "r", "by": "me", "record": record}
    appended(there, "receipt", with_more(said, ()), f"receipts/gpt/{newest.slot:020d}/admission/people")
    appended(there, "receipt", with_more(said, ()), f"receipts/gpt/{newest.slot:020d}/proved/west")
    assert select(there, "gpt", "latest").what.step == 50
    assert there.receipts.levels("gpt", newest.slot, ("proved",)) == {"proved": True}
    assert SECOND.restore(SECOND.Repository(golden), "gpt", tmp_path / "out")["step"] == 50


def test_unknown_fields_of_a_part_are_passed_over(tmp_path):
    there = repository()
    taken = checkpoint(tmp_path / "ck", 10)
    ship(push(1, 10, world=2), taken, there)
    (key,) = there.store.list("parts")
    told = json.loads(base64.b64decode(json.loads(there.store.get(key))["payload"]))
    there.store.delete(key)
    there.store.create(key, there.notary.seal(with_more(told, ()), "part"))
    assert ship(push(1, 10, rank=1, world=2), taken, there) is not None


@pytest.fixture
def manifest(tmp_path):
    """One with everything; that its parts do not fit together is judged after its fields."""
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "ck", 10), there)
    one = "0" * 64
    made = there.manifest(accepted.where.manifest)
    tensor = TensorEntry(
        name="w", file="weights", offset=0, length=1, dtype="U8", shape=(1,), digest=one, nan_count=0, inf_count=0,
        zero_fraction=0.0, sum_squares=1.0,
    )  # fmt: skip
    return made.model_copy(
        update={
            "tensors": (tensor,), "links": (Link(path="l", target="weights"),),
            "folders": (Folder(path="f", mode=0, mtime_ns=0),),
            "chunker": Chunker(name="c", min_bytes=1, average_bytes=2, max_bytes=3),
            "encryption": Encryption(suite="s", key="k", workload="gpt", block_key="00", packs=()),
            "beside": (File(path="b", mode=0, mtime_ns=0, size_bytes=0, digest=one, blocks=()),),
        }
    )  # fmt: skip


def test_a_manifest_with_an_unknown_field_at_any_level_is_too_new_for_both_readers(manifest):
    plain_text = json.loads(zstandard.ZstdDecompressor().decompress(encode(manifest)))
    paths = list(objects(plain_text))
    assert {path[0] for path in paths if path} == {
        "files", "packs", "tensors", "links", "folders", "chunker", "encryption", "beside",
    }  # fmt: skip
    SECOND.require_known("manifest:", plain_text)
    for path in paths:
        later = with_more(plain_text, path)
        with pytest.raises(TooNew, match="unheard"):
            decode(zstandard.ZstdCompressor().compress(canonical(later)), "m")
        with pytest.raises(SystemExit, match="a newer version may have written it"):
            SECOND.require_known("manifest:", later)


def test_an_unknown_field_beside_the_suites_is_passed_over_and_among_them_refused(golden):
    path = golden / "format.json"
    told = json.loads(path.read_text())
    path.write_bytes(canonical(with_more(told, ())))
    assert plain(golden).format().repository == SECOND.Repository(golden).id
    path.write_bytes(canonical(with_more(told, ("suites",))))
    with pytest.raises(TooNew, match="unheard"):
        plain(golden).format()
    with pytest.raises(REFUSALS):
        SECOND.Repository(golden)


def test_an_unknown_field_of_an_anchor_blocks_for_both_readers(tmp_path):
    golden = copied("witness", tmp_path / "witness")
    there = plain(copied("repository", tmp_path / "golden"))
    heads = golden / "plain" / "heads" / "west"
    held = Repository("west", LocalStore(golden))
    log = f"plain/heads/west/gpt/{there.format().repository}"
    body = {"slot": 11, "digest": "0" * 64, "term": 2, "height": 3}
    appended(held, "anchor", with_more(body, ()), log)
    with pytest.raises(RecordCorrupt, match="not an anchor"):
        Anchors(held.store, "plain", clock=lambda: 0.0, token=random_token).last(there, "gpt")
    with pytest.raises(SystemExit, match="a newer version may have written it: anchor"):
        SECOND.require_anchored(SECOND.Repository(tmp_path / "golden"), "gpt", heads)


def test_an_unknown_field_of_a_trust_or_key_file_is_refused(tmp_path):
    golden = copied("encrypted", tmp_path / "golden")
    for name, read, refusal in (
        ("trust.json", lambda: read_trust(golden / "keys"), Untrusted),
        ("writer.key", lambda: read_key(golden / "keys", "writer"), KeyLocked),
    ):
        path = golden / "keys" / name
        told = json.loads(path.read_text())
        for place in objects(told):
            if place[-1:] != ("public",):
                path.write_text(json.dumps(with_more(told, place)))
                with pytest.raises(refusal, match="unheard"):
                    read()
        path.write_text(json.dumps(told))
        read()


def test_an_unknown_field_of_an_encrypted_objects_header_is_passed_over(tmp_path):
    there = encrypted(copied("encrypted", tmp_path / "golden"))
    manifest = there.log("gpt").view().in_order()[0].where.manifest
    stored = there.store.get(manifest_key(manifest.digest))
    told, start = vault.read_header(vault.MANIFEST_MAGIC, stored)
    later = canonical(with_more(told, ()))
    assert (
        vault.read_header(vault.MANIFEST_MAGIC, stored[:8] + len(later).to_bytes(4, "big") + later)[0]["unheard"] == 1
    )
    assert start < len(stored)


def test_facts_of_a_participant_hold_what_they_like_for_both_readers(golden):
    facts = {"lsn": "0/1", "unheard": "of"}
    body = bodies()["compact"]
    appended(plain(golden), "compact", body)
    said = SAID.model_copy(
        update={"point": Point(made=True, paused_s=1.0, participants=(
            Participant(name="db", kind="postgres", ok=True, told="dumped", facts=facts),
        ))}
    )  # fmt: skip
    told = json.loads(canonical(to_record(Commit(term=2, what=said, where=PLACE))[1]))
    appended(plain(golden), "commit", told)
    assert plain(golden).log("gpt").view().slots == 12
    assert len(SECOND.entries(SECOND.Repository(golden), "gpt")) == 12


def test_an_unknown_field_of_a_restored_note_is_passed_over(tmp_path):
    there = encrypted(copied("encrypted", tmp_path / "golden"))
    newest = there.log("gpt").view().in_order()[-1]
    body = {"workload": "gpt", "commit": {"term": 1, "height": 1}, "record": there.log("gpt").slot(newest.slot).digest}
    appended(there, "restored", with_more(body, ()), "restores/operator")
    assert "operator" in restored_by(there)
