"""Holds: by whose word, why, until when; and the verbs that make, release and show them."""

from __future__ import annotations

import json
import os

import pytest
import structlog
from typer.testing import CliRunner

from replicator.cli.main import make_app
from replicator.errors import HoldUnknown, NothingToRestore, ReplicatorError, Sealed
from replicator.log.entries import Open, Unpin
from replicator.model import CommitId
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from replicator.retention.holds import hold, holds, release
from replicator.service.keeping import Keeping
from replicator.stores.url import open_store
from tests.replicator.repository.rig import push


@pytest.fixture(autouse=True)
def _logs_elsewhere():
    """A verb sends log lines to the stderr that it has, which is gone with its runner."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def west(tmp_path):
    """Four checkpoints with their receipts, in a folder; every second one has the same contents."""
    folder = tmp_path / "repo"
    folder.mkdir()
    store = open_store(folder.as_uri())
    initialise(store, environment=None, witness=None, clock=lambda: 1.0, token=random_token)
    made = Repository("west", store)
    made.log("gpt").open(Open(term=1, writer="east"))
    source = tmp_path / "source"
    source.mkdir()
    for height in range(1, 5):
        (source / "weights").write_bytes(os.urandom(1000))
        accepted = ship(
            push(height, height * 10, attempt=f"{height}", salt=bytes([height]) * 16),
            take_snapshot(source, ["weights"]),
            made,
        )
        verify(made, "gpt", accepted, "west")
    return made


def keep_one(repository) -> set[int]:
    Keeping(repository, "gpt", "west", 1, 0.0, 1.0).let_go()
    return {key.height for key in repository.log("gpt").view().accepted}


def test_what_is_held_stays_through_a_promotion_until_it_is_released_and_the_log_says_by_whom(west):
    log = west.log("gpt")
    hold(log, "case-7", CommitId(1, 2), reason="court order 5", by="legal")
    assert keep_one(west) == {2, 4}
    log.seal(1, reason="promotion")
    log.open(Open(term=2, writer="west", heads={"1": 4}))
    assert keep_one(west) == {2, 4}
    [held] = holds(log.entries(), log.view())
    assert (held.name, held.commit, held.reason, held.stands) == (
        "case-7",
        CommitId(1, 2),
        "legal: court order 5",
        True,
    )
    release(log, "case-7", reason="settled", by="legal")
    assert [each.reason for each in log.entries() if isinstance(each, Unpin)] == ["legal: settled"]
    assert keep_one(west) == {4}


def test_a_hold_names_one_checkpoint_that_stands_and_needs_a_reason(west):
    log = west.log("gpt")
    with pytest.raises(ReplicatorError, match="needs a reason"):
        hold(log, "a", CommitId(1, 2), reason=" ", by="legal")
    with pytest.raises(NothingToRestore):
        hold(log, "a", CommitId(1, 9), reason="x", by="legal")
    hold(log, "a", CommitId(1, 2), reason="x", by="legal")
    with pytest.raises(ReplicatorError, match=r"pin hold/a holds 1\.2"):
        hold(log, "a", CommitId(1, 3), reason="x", by="legal")
    with pytest.raises(HoldUnknown, match="held: a"):
        release(log, "b", reason="x", by="legal")
    log.seal(1, reason="promotion")
    with pytest.raises(Sealed):
        release(log, "a", reason="x", by="legal")


def run(*words: str, code: int = 0):
    result = CliRunner().invoke(make_app(), [*words, "--json"])
    assert (result.exit_code == 0) is (code == 0), result.output
    return json.loads(result.stdout) if code == 0 else result.exception


def test_a_dry_run_says_of_each_why_and_changes_nothing_and_the_run_does_what_it_said(west):
    repo = ("--repo", west.store.url, "--workload", "gpt")
    assert run("hold", "step:10", *repo, "--name", "case-7", "--reason", "court", "--by", "legal")["commit"] == "1.1"
    slots = west.log("gpt").view().slots
    told = run("retain", *repo, "--keep-last", "2", "--dry-run")
    assert west.log("gpt").view().slots == slots
    assert {row["commit"]: (row["keep"], row["reasons"]) for row in told["checkpoints"]} == {
        "1.4": (True, ["the newest with its receipts", "among the newest 2"]),
        "1.3": (True, ["among the newest 2"]),
        "1.2": (False, ["beyond the newest 2"]),
        "1.1": (True, ["held as case-7"]),
    }
    dropped = next(row for row in told["checkpoints"] if row["commit"] == "1.2")
    assert dropped["frees_bytes"] > 1000
    assert told["holds"] == [{"name": "case-7", "commit": "1.1", "reason": "legal: court", "stands": True}]
    done = run("retain", *repo, "--keep-last", "2")
    assert (done["dropped"], done["checkpoints"]) == (True, told["checkpoints"])
    assert {key.height for key in Repository("west", west.store).log("gpt").view().accepted} == {1, 3, 4}
    text = CliRunner().invoke(make_app(), ["retain", *repo, "--keep-daily", "1", "--dry-run"]).stdout
    assert "keep       1.1  step       10  held as case-7" in text
    assert "hold  case-7: 1.1 (legal: court)" in text
    assert run("unhold", *repo, "--name", "case-7", "--reason", "settled", "--by", "legal")["released"] == "case-7"
    assert isinstance(run("unhold", *repo, "--name", "x", "--reason", "s", "--by", "l", code=60), HoldUnknown)
    assert "what to keep" in str(run("retain", *repo, code=40))
