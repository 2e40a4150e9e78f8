"""Released and condemned by hand: the last word counts, for whoever chooses a checkpoint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from replicator.cli.main import make_app
from replicator.errors import NothingToRestore, RecordCorrupt
from replicator.model import CommitId, Finding
from replicator.repository.repository import Repository, newest_recovery_point
from replicator.repository.ruling import Ruling, is_suspect, rule, ruling
from replicator.repository.select import select
from replicator.repository.ship import ship
from replicator.retention.decide import retain
from replicator.retention.policy import Policy
from replicator.stores.local import LocalStore
from tests.replicator.repository.rig import checkpoint, push, repository

NAN = (Finding(reason="nan", tensor="w", evidence="1 of 9 values are NaN"),)
RELEASED = Ruling(released=True, reason="looked at it", by="ann@here", at=0.0)
CONDEMNED = Ruling(released=False, reason="wrong data", by="bob@there", at=0.0)
READER = Path(__file__).parents[2] / "golden" / "reader.py"


def local(folder):
    folder.mkdir()
    return repository(LocalStore(folder))


@pytest.fixture
def there(tmp_path):
    """Two checkpoints, the newer one suspect."""
    made = local(tmp_path / "repository")
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), made)
    ship(push(2, 20, findings=NAN), checkpoint(tmp_path / "b", 20, seed=1), made)
    return made


def commit(there, height):
    return there.log("gpt").view().accepted[CommitId(1, height)]


def latest(there):
    return select(there, "gpt", "latest").what.step


def test_a_suspect_commit_that_is_released_counts_again(there):
    assert latest(there) == 10
    assert rule(there, "gpt", commit(there, 2), RELEASED)
    assert latest(there) == 20
    assert newest_recovery_point(there, "gpt", ()).what.step == 20
    assert not is_suspect(there, "gpt", commit(there, 2))


def test_a_sound_commit_that_is_condemned_counts_no_more(there):
    rule(there, "gpt", commit(there, 1), CONDEMNED)
    with pytest.raises(NothingToRestore):
        select(there, "gpt", "latest")
    assert newest_recovery_point(there, "gpt", ()) is None
    assert select(there, "gpt", "step:10").what.step == 10


def test_the_last_word_counts_whoever_said_it(there):
    for word, counts in ((RELEASED, True), (CONDEMNED, False), (RELEASED, True)):
        assert rule(there, "gpt", commit(there, 2), word)
        assert is_suspect(there, "gpt", commit(there, 2)) is not counts
    said = ruling(Repository("again", there.store), "gpt", commit(there, 2))
    assert (said.released, said.reason, said.by) == (True, "looked at it", "ann@here")


def test_the_same_word_twice_is_once_and_releasing_what_is_sound_is_nothing(there):
    assert not rule(there, "gpt", commit(there, 1), RELEASED)
    assert rule(there, "gpt", commit(there, 1), CONDEMNED)
    assert not rule(there, "gpt", commit(there, 1), CONDEMNED)
    assert rule(there, "gpt", commit(there, 1), RELEASED)


def test_a_word_needs_no_open_term(there):
    there.log("gpt").seal(1, reason="the site is lost")
    assert rule(there, "gpt", commit(there, 1), CONDEMNED)
    assert is_suspect(there, "gpt", commit(there, 1))


def test_a_word_about_another_record_in_the_slot_says_nothing(there, tmp_path):
    rule(there, "gpt", commit(there, 2), RELEASED)
    other = local(tmp_path / "other")
    ship(push(1, 11, attempt="other"), checkpoint(tmp_path / "c", 11, seed=3), other)
    ship(push(2, 21, findings=NAN, attempt="other"), checkpoint(tmp_path / "d", 21, seed=4), other)
    for key in there.store.list("receipts"):
        other.store.create(key, there.store.get(key))
    assert is_suspect(other, "gpt", commit(other, 2))


def test_a_word_that_cannot_be_read_blocks(there):
    rule(there, "gpt", commit(there, 2), RELEASED)
    (key,) = there.store.list("receipts")
    there.store.delete(key)
    there.store.create(key, b"{}")
    with pytest.raises(RecordCorrupt):
        is_suspect(Repository("again", there.store), "gpt", commit(there, 2))


def test_what_is_kept_as_the_newest_with_receipts_follows_the_word(there):
    view = there.log("gpt").view()

    def kept():
        return retain(
            view, Policy(last=1), now=0.0, attested=lambda _: True, suspect=lambda each: is_suspect(there, "gpt", each)
        ).keep

    assert set(kept()) == {CommitId(1, 1), CommitId(1, 2)}
    rule(there, "gpt", commit(there, 2), RELEASED)
    assert set(kept()) == {CommitId(1, 2)}


def run(*arguments, code=0):
    done = CliRunner().invoke(make_app(), [str(each) for each in arguments], catch_exceptions=True)
    assert done.exit_code == code, done.output
    return done.stdout


def test_by_hand_and_listed_and_read_by_another_program(there, tmp_path):
    url = there.store.url
    assert "SUSPECT" in run("list", "--repo", url)
    said = run("release", 20, "--repo", url, "--reason", "looked at it", "--by", "ann")
    assert "step 20 (1.2) released" in said
    listed = run("list", "--repo", url)
    assert "SUSPECT" not in listed
    assert "nan: 1 of 9 values are NaN" in listed
    assert "released by ann" in listed
    assert "looked at it" in listed
    done = subprocess.run(
        [sys.executable, READER, tmp_path / "repository", "gpt", tmp_path / "x"], capture_output=True, check=True
    )
    assert done.stdout.strip() == b"20"
    said = run("condemn", "latest", "--repo", url, "--reason", "no, worse", "--json")
    assert json.loads(said)["checkpoints"][0]["commit"] == "1.2"
    (row, other) = json.loads(run("list", "--repo", url, "--json"))["checkpoints"]
    assert (row["suspect"], row["ruling"]["reason"], other["ruling"]) == (True, "no, worse", None)
    done = subprocess.run(
        [sys.executable, READER, tmp_path / "repository", "gpt", tmp_path / "y"], capture_output=True, check=True
    )
    assert done.stdout.strip() == b"10"


def test_a_word_without_a_reason_is_refused(there):
    assert "reason" in str(
        CliRunner().invoke(make_app(), ["release", "20", "--repo", there.store.url, "--reason", " "]).exception
    )
