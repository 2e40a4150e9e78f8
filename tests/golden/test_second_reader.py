"""The second reader keeps to the page where a log holds more than it knows: it refuses, and decides nothing."""

from __future__ import annotations

import json

import pytest
import zstandard

from replicator.errors import DataCorrupt, RecordCorrupt, RepositoryUnknown, TooNew
from replicator.log.entries import Commit, Open, Seal, Upgrade, to_record
from replicator.log.records import canonical, seal_envelope
from replicator.repository.packs import manifest_key
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.select import select
from replicator.stores.local import LocalStore
from tests.golden.rig import REFUSALS, SECOND, appended, copied, encrypted, plain, second


@pytest.fixture
def golden(tmp_path):
    return copied("repository", tmp_path / "golden")


def restored(golden, tmp_path):
    return SECOND.restore(SECOND.Repository(golden), "gpt", tmp_path / "second")["step"]


def upgrade(term=2, **levels):
    return to_record(Upgrade(term=term, release="0.9", reason="test", **levels))


def test_an_unknown_kind_of_entry_is_refused_by_both_readers(golden, tmp_path):
    appended(plain(golden), "merge", {"term": 2})
    with pytest.raises(RecordCorrupt, match="a newer version may have written it"):
        plain(golden).log("gpt").view()
    done = second(golden, tmp_path / "second")
    assert done.returncode != 0
    assert "a newer version may have written it: merge" in done.stderr
    assert not (tmp_path / "second").exists()


def test_an_upgrade_above_what_both_readers_know_is_refused_with_the_level_and_the_release(golden, tmp_path):
    appended(plain(golden), *upgrade(reader=2, writer=2))
    appended(plain(golden), "what level 2 has", {"term": 2})
    with pytest.raises(TooNew, match="level 2 and up") as raised:
        plain(golden).log("gpt").view()
    assert "drstack 0.9" in raised.value.hint
    with pytest.raises(SystemExit, match=r"level 2 to read on: use 0\.9"):
        restored(golden, tmp_path)


def test_an_upgrade_of_writers_alone_or_one_that_is_void_keeps_no_reader_out(golden, tmp_path):
    there = plain(golden)
    appended(there, *upgrade(reader=1, writer=2))
    appended(there, *to_record(Seal(term=2, reason="test")))
    appended(there, *upgrade(reader=2, writer=2))
    appended(there, *to_record(Open(term=3, writer="west", heads={"1": 2, "2": 2})))
    appended(there, *upgrade(term=2, reader=2, writer=2))
    assert select(plain(golden), "gpt", "latest").what.step == restored(golden, tmp_path) == 40


def test_people_say_it_in_a_log_whose_records_follow_one_another(golden, tmp_path):
    there = plain(golden)
    (newest,) = [each for each in there.log("gpt").view().in_order() if each.what.step == 50]
    log = f"receipts/gpt/{newest.slot:020d}/admission/people"
    word = {"reason": "r", "by": "me", "record": there.log("gpt").slot(newest.slot).digest}
    for ok in (True, False, True):
        appended(there, "receipt", {**word, "ok": ok}, log)
    assert select(plain(golden), "gpt", "latest").what.step == restored(golden, tmp_path) == 50
    path = golden / log / f"{2:020d}"
    payload = {"log": log, "n": 2, "previous": None, "attempt": "a", "kind": "receipt", "at": 1.0}
    for changed in ({"previous": None}, {"log": "receipts/gpt/other"}, {"n": 3}):
        path.write_bytes(seal_envelope({**payload, "body": {**word, "ok": False}, **changed}))
        with pytest.raises(RecordCorrupt):
            select(plain(golden), "gpt", "latest")
        with pytest.raises(REFUSALS):
            restored(golden, tmp_path / "again")


def test_what_people_say_of_a_signed_repository_is_signed_by_a_verifier(tmp_path):
    golden = copied("encrypted", tmp_path / "golden")
    there = encrypted(golden)
    (newest,) = [each for each in there.log("gpt").view().in_order() if each.what.step == 50]
    log = f"receipts/gpt/{newest.slot:020d}/admission/people"
    word = {"ok": True, "reason": "r", "by": "me", "record": there.log("gpt").slot(newest.slot).digest}
    appended(there, "receipt", word, log)
    keys = (str(golden / "keys"), "operator")
    done = second(golden / "repository", tmp_path / "second", *keys)
    assert done.stdout.strip() == "50", done.stderr
    (golden / "repository" / log / f"{1:020d}").write_bytes(seal_envelope({"log": log, "body": word}))
    assert second(golden / "repository", tmp_path / "again", *keys).returncode != 0


@pytest.mark.parametrize(
    "bend",
    [
        lambda text: text.replace('"format":1', '"format":2,"format":1'),
        lambda text: text.replace('"created_at":', '"created_at":NaN,"made_at":'),
        lambda text: "\ufeff" + text,
    ],
)
def test_json_that_two_readers_could_understand_differently_is_refused_by_both(golden, tmp_path, bend):
    path = golden / "format.json"
    before = path.read_text()
    assert json.loads(bend(before).lstrip("\ufeff"))["format"] == 1
    path.write_text(bend(before), encoding="utf-8")
    with pytest.raises(RepositoryUnknown, match=r"format\.json cannot be read"):
        Repository("west", LocalStore(golden)).format()
    with pytest.raises(REFUSALS):
        restored(golden, tmp_path)


@pytest.mark.parametrize("path", ["../evil", "a/../../evil", "/evil"])
def test_a_path_that_leads_out_of_the_checkpoint_is_refused_by_both(golden, tmp_path, path):
    there = plain(golden)
    last = select(there, "gpt", "latest")
    manifest = SECOND.Repository(golden).manifest(last.where.manifest.digest)
    rows = SECOND.listed([manifest["files"][0] | {"path": path}, *manifest["files"][1:]])
    manifest["files"][0]["path"] = path
    stored = zstandard.ZstdCompressor().compress(canonical(manifest))
    there.store.create(manifest_key(SECOND.digest(stored)), stored)
    kind, body = to_record(Commit(term=2, what=last.what, where=last.where))
    body["what"] |= {"root": SECOND.digest(canonical(sorted(rows))), "term": 2, "height": 9, "parent": None}
    body["where"] |= {"manifest": {"digest": SECOND.digest(stored), "size_bytes": len(stored)}, "base": None}
    appended(there, kind, body)
    chosen = select(plain(golden), "gpt", "2.9")
    with pytest.raises(DataCorrupt, match="path"):
        restore(plain(golden), chosen, tmp_path / "out" / "first")
    with pytest.raises(AssertionError, match="leaves the checkpoint"):
        SECOND.restore(SECOND.Repository(golden), "gpt", tmp_path / "out" / "second")
    assert not list(tmp_path.rglob("evil"))
