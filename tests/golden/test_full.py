"""The repository with every kind of entry and every field marked as later: both readers restore it, and say the same of it.

Its witness has one assignment and anchors, and no other log.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from drstack.witness.witness import Witness
from replicator.crypto.keyring import from_machine
from replicator.errors import SignatureRefused
from replicator.log.entries import Commit, Compact, Drop, from_record, to_record
from replicator.log.replay import Replaced
from replicator.model import CommitId, Id
from replicator.repository.anchors import Anchors, head_to_anchor
from replicator.repository.beside import names_beside, read_beside
from replicator.repository.custody import create_key
from replicator.repository.readiness import restored_by
from replicator.repository.repository import random_token
from replicator.repository.restore import restore
from replicator.repository.ruling import is_suspect
from replicator.repository.select import select
from replicator.repository.verify import check_decoded, check_stored
from replicator.stores.local import LocalStore
from tests.golden.make_full import AT_ONCE, MADE_WITH, tree
from tests.golden.rig import HERE, SECOND, appended, copied, encrypted, second
from tests.replicator.repository.rig import seen

PAGE = Path(__file__).parents[2] / "docs" / "format.md"
SAID_BY = [
    ("open", "promoter"), ("commit", "writer"), ("pin", "promoter"), ("unpin", "promoter"), ("seal", "promoter"),
    ("open", "promoter"), ("drop", "keeper"), ("commit", "promoter"), ("commit", "west-writer"), ("upgrade", "promoter"),
    ("commit", "west-writer"), ("commit", "west-writer"), ("compact", "keeper"),
]  # fmt: skip


@pytest.fixture
def golden(tmp_path):
    return copied("full", tmp_path / "golden")


def fields(value):
    """Names of all fields in a document."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {*(value if isinstance(value, dict) else ())}.union(*map(fields, inner))


@pytest.mark.parametrize("recipient", ["operator", "escrow"])
def test_both_readers_restore_names_modes_times_and_links_for_each_recipient(golden, tmp_path, recipient):
    made = tree(tmp_path / "made", 30)
    done = second(
        golden / "repository", tmp_path / "second", str(golden / "keys"), recipient,
        str(golden / "witness" / "full" / "heads" / "west"),
    )  # fmt: skip
    assert done.stdout.strip() == "30", done.stderr
    there = encrypted(golden)
    restore(there, select(there, "gpt", "latest"), tmp_path / "ours")
    assert seen(tmp_path / "second") == seen(tmp_path / "ours") == seen(made)
    for folder in ("second", "ours", "made"):
        assert (tmp_path / folder / "again").samefile(tmp_path / folder / "model.safetensors")


def test_the_log_says_what_it_said_and_who_said_it(golden):
    there = encrypted(golden)
    log = there.log("gpt")
    records = log._slots.read()
    assert [(record.kind, record.signer) for record in records] == SAID_BY
    for record in records:
        assert to_record(from_record(record, "log/gpt")) == (record.kind, record.body)
    view = log.view()
    assert [str(key) for key in view.accepted] == ["1.1", "2.1", "2.2", "2.3"]
    assert (view.void, dict(view.dropped), dict(view.pins), view.term, view.sealed) == ((), {}, {}, 2, 1)
    assert [(each.commit, each.bytes_after is None) for each in view.replaced] == [
        (CommitId(1, 1), False),
        (CommitId(2, 1), False),
    ]
    assert all(isinstance(each, Replaced) for each in view.replaced)
    vouched = [there.notary.vouched(each.what, each.signatures, "here") for each in view.in_order()]
    assert vouched == ["writer", "west-writer", "west-writer", "west-writer"]
    for accepted in view.in_order():
        assert check_stored(there, accepted).ok
        assert check_decoded(there, accepted).ok
    assert [is_suspect(there, "gpt", each) for each in view.in_order()] == [False, False, False, True]


def test_the_second_reader_says_that_the_same_stands(golden):
    theirs = SECOND.Repository(golden / "repository", golden / "keys", "operator")
    log = SECOND.entries(theirs, "gpt")
    stand = SECOND.standing(log)
    view = encrypted(golden).log("gpt").view()
    assert {key: body["where"]["manifest"]["digest"] for key, body in stand.items()} == {
        tuple(key): each.where.manifest.digest for key, each in view.accepted.items()
    }
    assert [SECOND.suspect(theirs, "gpt", stand[key]) for key in sorted(stand)] == [False, False, False, True]


def test_what_was_said_of_the_newest_is_read_back(golden):
    there = encrypted(golden)
    newest = select(there, "gpt", "latest")
    what = newest.what
    assert (what.versions, what.point, what.counter, what.parent.key()) == (MADE_WITH, AT_ONCE, "after", CommitId(1, 1))
    assert names_beside(there, newest) == ("point/models/dump", "versions.json")
    assert read_beside(there, newest, "point/models/dump") == b"rows of a registry"
    assert there.receipts.levels("gpt", newest.slot, ("stored", "decoded")) == {"stored": True, "decoded": True}
    assert list(there.receipts.words("gpt", newest.slot, "stored")) == ["west"]  # what east found was repaired
    assert there.receipts.drilled_at("gpt", newest.slot) is not None
    assert restored_by(there) == ("operator",)


def test_the_witness_has_the_assignment_that_the_open_copies_and_the_last_anchor(golden):
    there = encrypted(golden)
    witness = Witness(LocalStore(golden / "witness"), "full", clock=lambda: 0.0, token=random_token)
    (assigned,) = witness.assignments()
    view = there.log("gpt").view()
    assert assigned.opening("gpt") == view.opened[2]
    kept = Anchors(LocalStore(golden / "witness"), "full", clock=lambda: 0.0, token=random_token)
    assert kept.last(there, "gpt").anchor == head_to_anchor(there, "gpt", view)


def test_a_revoked_keys_records_stand_in_both_readers_up_to_where_its_log_was(golden, tmp_path):
    path = golden / "keys" / "trust.json"
    trust = json.loads(path.read_text())
    (gone,) = [key for key in trust["keys"] if key["revoked"]]
    assert gone["name"] == "writer"
    repository = json.loads((golden / "repository" / "format.json").read_text())["repository"]
    for through, stands in ((2, True), (1, False)):
        gone["revoked"]["through"][f"{repository}/log/gpt"] = through
        path.write_text(json.dumps(trust))
        done = second(golden / "repository", tmp_path / str(through), str(golden / "keys"), "operator")
        assert (done.returncode == 0) is stands, done.stderr
        if stands:
            assert encrypted(golden).log("gpt").view().slots == len(SAID_BY)
        else:
            with pytest.raises(SignatureRefused, match="was revoked before it"):
                encrypted(golden).log("gpt").view()


@pytest.mark.parametrize("kind", ["drop", "compact", "commit", "what"])
def test_what_a_key_says_that_the_assignment_does_not_list_is_refused_by_both_readers(golden, tmp_path, kind):
    there = encrypted(golden)
    create_key(there.keys, "stranger", ("writer", "keeper"), how=None, unlocking=from_machine())
    view = there.log("gpt").view()
    newest = view.accepted[CommitId(2, 2)]
    next_one = newest.what.model_copy(update={"height": 4})
    by = "west-writer" if kind == "what" else "stranger"
    said = there.notary.vouch(next_one, among=("stranger" if kind == "what" else "west-writer",))
    commit = Commit(term=2, what=next_one, where=newest.where, signatures=said)
    entry = {
        "drop": Drop(term=2, commits=(Id(term=2, height=2),), bytes_after=0.0, reason="mine"),
        "compact": Compact(term=2, commit=Id(term=2, height=2), where=newest.where),
    }.get(kind, commit)
    appended(there, *to_record(entry), by=by)
    with pytest.raises(SignatureRefused, match="assignment of term 2 does not list key stranger"):
        encrypted(golden).log("gpt").view()
    assert second(golden / "repository", tmp_path / "out", str(golden / "keys"), "operator").returncode != 0


def test_what_a_listed_key_says_is_read_by_both_readers(golden, tmp_path):
    there = encrypted(golden)
    drop = Drop(term=2, commits=(Id(term=2, height=2),), bytes_after=9e9, reason="test")
    appended(there, *to_record(drop), by="keeper")
    assert select(encrypted(golden), "gpt", "latest").what.step == 20
    done = second(golden / "repository", tmp_path / "out", str(golden / "keys"), "operator")
    assert done.stdout.strip() == "20", done.stderr


ELSEWHERE = {"approver", "fence", "lift", "without_witness"}
"""A role of keys, kinds of records of the witness, and a field of its assignments: a reader of repositories passes over that
in the copy that an `open` has (`test_unknown_fields.py`).
"""


def test_every_kind_of_entry_is_in_it_and_of_a_witness_an_assignment_and_anchors_only(golden):
    section = PAGE.read_text().split("### Entries of `log/<workload>`")[1].split("\n### ")[0]
    assert set(re.findall(r"^\| `([a-z]+)`", section, re.MULTILINE)) == {kind for kind, _ in SAID_BY}
    assert {path.name for path in (golden / "witness" / "full").iterdir()} == {"format.json", "assignments", "heads"}


def test_every_field_of_a_repository_that_the_page_marks_as_later_is_in_it(golden):
    there = encrypted(golden)
    page = PAGE.read_text()
    named = set(re.findall(r"`([a-z_]+)` †", page)) - {"upgrade", *ELSEWHERE}
    assert {"counters", "again", "versions", "takes_back", "hard_link", "sealed", "links", "keys"} <= named
    found = set()
    for path in (golden / "repository").rglob("*"):
        if path.is_file() and path.relative_to(golden / "repository").parts[0] in ("log", "parts", "receipts"):
            found |= fields(json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"])))
    for accepted in there.log("gpt").view().in_order():
        found |= fields(there.manifest(accepted.where.manifest).model_dump(mode="json"))
    assert named - found == set()
    keys = {path.relative_to(golden).parts[1] for path in golden.rglob("*") if path.is_file()}
    assert {"restores", "receipts", "parts", "keys"} <= keys
    assert sum(path.stat().st_size for path in (HERE / "full").rglob("*") if path.is_file()) < 300_000
