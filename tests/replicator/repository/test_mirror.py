"""A log and its receipts come back only from a copy of themselves, and only what is signed as it must be."""

from __future__ import annotations

import base64
import json

import pytest

from replicator.errors import KeyMissing, RolledBack
from replicator.log.records import digest, encode, payload_of
from replicator.repository.heads import Head, head_of, require_whole, rolled_back
from replicator.repository.ladder import Ladder
from replicator.repository.mirror import put_back_log
from replicator.repository.repair import repair_logs
from replicator.repository.repository import Repository
from replicator.repository.restore import restore_from
from replicator.repository.ship import ship
from replicator.repository.verify import verify
from replicator.stores.faults import FaultyStore
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.damage import (
    copy,
    filled,
)
from tests.replicator.repository.rig import checkpoint, contents, push

BOTH = ("stored", "decoded")
pytestmark = pytest.mark.usefixtures("small_packs")


def mirrored(here):
    return Repository("mirror", copy(here.store))


def test_a_copy_with_a_forged_tail_puts_back_what_is_signed_only(tmp_path):
    family = Family(tmp_path / "family")
    for n in (1, 2):
        ship(push(n, n, attempt=f"a{n}"), checkpoint(tmp_path / f"ck-{n}", n), family.hand("writer", memory="w"))
    copy_ = copy(family.store)
    last = family.all().log("gpt").slot(3)
    forged = encode(
        "log/gpt", 4, last.digest, "t", "drop", 0.0, {"term": 1, "commits": [], "bytes_after": 0.0, "reason": ""}
    )
    copy_.create("log/gpt/" + f"{4:020d}", forged)
    family.store.delete("log/gpt/" + f"{3:020d}")
    here = family.all()
    done = repair_logs(here, [family.all(copy_)], lambda _: [])
    assert done["gpt"].slots == [3]
    assert len(family.all().log("gpt").view().accepted) == 2


@pytest.mark.parametrize("how", ["unsigned", "another's", "about another slot"])
def test_a_copy_with_forged_receipts_puts_back_what_their_verifier_signed_only(tmp_path, how):
    family = Family(tmp_path / "family")
    ship(push(1, 1), checkpoint(tmp_path / "ck-1", 1), family.hand("writer", memory="w"))
    here = family.all()
    (commit,) = here.log("gpt").view().in_order()
    record = here.log("gpt").slot(commit.slot).digest
    verify(family.hand("verifier", "operator"), "gpt", commit, "west")
    prefix = f"receipts/gpt/{commit.slot:020d}/decoded/west"
    (signed,) = family.store.list(prefix)
    copy_ = copy(family.store)
    said = {"ok": False, "reason": "forged", "record": record}
    if how == "unsigned":
        last = digest(copy_.get(signed))
        forged = encode(prefix, 2, last, "t", "receipt", 0.0, said)
        copy_.create(f"{prefix}/{2:020d}", forged)
    elif how == "another's":
        copy_.delete(signed)
        copy_.create(
            signed, family.hand("writer").notary.seal(payload_of(prefix, 1, None, "t", "receipt", 0.0, said), "commit")
        )
    else:
        copy_.delete(signed)
        copy_.create(signed, copy_.get(next(key for key in family.store.list("receipts") if "/stored/" in key)))
    right = family.store.get(signed)
    family.store.delete(signed)
    done = repair_logs(here, [family.all(copy_)], lambda _: [])
    if how == "unsigned":
        assert done["gpt"].receipts == [signed]
        assert family.store.get(signed) == right
    else:
        assert done == {}
    assert family.all().receipts.failed("gpt", commit.slot) == []


def test_words_that_a_verifier_said_since_the_rollback_are_not_continued_by_what_it_said_before(tmp_path):
    (here,) = filled(tmp_path, "here")
    (first, *_) = here.log("gpt").view().in_order()
    record = here.log("gpt").slot(first.slot).digest
    older = mirrored(here)
    for repository_, reasons in ((here, ("a", "b")), (older, ("since",))):
        for reason in reasons:
            repository_.receipts.write("gpt", first.slot, "decoded", "west", record=record, ok=True, reason=reason)
    here.receipts.write("gpt", first.slot, "decoded", "east", record=record, ok=True, reason="c")
    done = repair_logs(older, [here], lambda _: [])
    assert [key.split("/")[4] for key in done["gpt"].receipts] == ["east"]
    words = Repository("here", older.store).receipts.words("gpt", first.slot, "decoded")
    assert {by: why for by, (_, why, _) in words.items()} == {"west": "since", "east": "c"}


def test_a_log_that_was_rolled_back_comes_back_from_a_copy_with_its_receipts(tmp_path):
    (here,) = filled(tmp_path, "here")
    for accepted in here.log("gpt").view().in_order():
        verify(here, "gpt", accepted, "west")
    head = head_of(here, "gpt")
    mirror = mirrored(here)
    for slot in (3, 4):
        here.store.delete(f"log/gpt/{slot:020d}")
    receipt = min(here.store.list("receipts/gpt/00000000000000000004"))
    here.store.delete(receipt)
    back = Repository("here", here.store)
    with pytest.raises(RolledBack, match="slot 4 was seen before"):
        require_whole(back, "gpt", [head])
    done = repair_logs(back, [mirror], lambda _: [head])
    assert (done["gpt"].slots, done["gpt"].receipts) == ([3, 4], [receipt])
    whole = Repository("here", here.store)
    require_whole(whole, "gpt", [head])
    for accepted in whole.log("gpt").view().in_order():
        assert all(whole.receipts.levels("gpt", accepted.slot, BOTH).values())
    assert repair_logs(whole, [mirror], lambda _: [head]) == {}


def test_another_repositorys_log_is_no_copy_and_a_log_that_went_apart_is_left_alone(tmp_path):
    here, other = filled(tmp_path, "here", "other")
    with pytest.raises(RolledBack, match="no copy"):
        put_back_log(here.store, other.store, "gpt", [])
    assert repair_logs(here, [other], lambda _: []) == {}
    mirror = mirrored(here)
    here.store.delete("log/gpt/00000000000000000004")
    apart = Repository("here", here.store)
    apart.log("gpt").pin("mine", apart.log("gpt").view().in_order()[0].what.id(), reason="", term=1)
    before = here.store.get("log/gpt/00000000000000000004")
    with pytest.raises(RolledBack, match="went apart"):
        repair_logs(Repository("here", here.store), [mirror], lambda _: [])
    assert here.store.get("log/gpt/00000000000000000004") == before


def test_a_copy_gives_only_what_follows(tmp_path):
    (here,) = filled(tmp_path, "here")
    mirror = mirrored(here)
    three, four = (f"log/gpt/{n:020d}" for n in (3, 4))
    record = json.loads(base64.b64decode(json.loads(here.store.get(four))["payload"]))
    mirror.store.delete(four)
    forged = encode("log/gpt", 4, "0" * 64, "a", record["kind"], 0.0, record["body"])
    mirror.store.create(four, forged)
    for key in (three, four):
        here.store.delete(key)
    assert put_back_log(here.store, mirror.store, "gpt", []) == [3]
    with pytest.raises(KeyMissing):
        here.store.get(four)


@pytest.mark.parametrize(("slot", "known", "mended"), [(2, False, True), (4, False, False), (4, True, True)])
def test_an_unreadable_record_is_replaced_only_where_a_digest_proves_what_belongs_there(tmp_path, slot, known, mended):
    (here,) = filled(tmp_path, "here")
    head, mirror = head_of(here, "gpt"), mirrored(here)
    key = f"log/gpt/{slot:020d}"
    right = here.store.get(key)
    here.store.delete(key)
    here.store.create(key, right[:-9])
    heads = [head] if known else []
    if not mended:
        with pytest.raises(RolledBack, match="nothing proves"):
            put_back_log(here.store, mirror.store, "gpt", heads)
        assert here.store.get(key) == right[:-9]
        return
    assert put_back_log(here.store, mirror.store, "gpt", heads) == [slot]
    assert here.store.get(key) == right


def test_a_log_is_rolled_back_where_it_is_shorter_or_other_than_what_was_seen_or_receipted():
    assert rolled_back(["a", "b"], [Head(n=2, digest="b")], [1, 2]) is None
    assert "ends at slot 1" in rolled_back(["a"], [Head(n=2, digest="b")], [])
    assert "not the record" in rolled_back(["a", "c"], [Head(n=2, digest="b")], [])
    assert "receipts about slot 3" in rolled_back(["a", "b"], [], [3])
    assert rolled_back([], [], []) is None


def test_a_stale_list_hides_nothing_that_was_committed(tmp_path):
    (here,) = filled(tmp_path, "here")

    class Stale(FaultyStore):
        def list(self, prefix):
            return iter(())

    class No:
        def before(self, verb, key): ...
        def after(self, verb, key): ...
        def filter(self, key, body):
            return body

    stale = Repository("here", Stale(here.store, No()))
    newest = stale.log("gpt").view().in_order()[-1]
    restore_from(Ladder([(stale, newest)]), tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "ck-3")
