"""Repositories of this format stay readable, by us and by another program."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from replicator.log.entries import Compact, Drop, Open, from_record, to_record
from replicator.log.replay import replay
from replicator.log.slots import SlotLog
from replicator.model import CommitId, Id
from replicator.repository.move import copy
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.retain import removable
from replicator.repository.select import select
from replicator.repository.verify import check_decoded
from replicator.stores.local import LocalStore
from tests.golden.make import new, push, source
from tests.golden.rig import SECOND
from tests.replicator.log.test_replay_properties import lively_logs
from tests.replicator.repository.rig import contents

HERE = Path(__file__).parent
GOLDEN = HERE / "repository"


@settings(max_examples=300)
@given(lively_logs())
def test_of_any_log_both_readers_say_that_the_same_stands_with_the_same_encoding(log):
    view = replay(log)
    bodies = [(kind, {**body, "slot": n}) for n, (kind, body) in enumerate(map(to_record, log), 1)]
    theirs = {key: body["where"] for key, body in SECOND.standing(bodies).items()}
    assert theirs == {
        (key.term, key.height): to_record(Compact(term=1, commit=Id(term=1, height=1), where=accepted.where))[1][
            "where"
        ]
        for key, accepted in view.accepted.items()
    }


@pytest.fixture
def golden(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "golden")
    return tmp_path / "golden"


def test_the_second_reader_imports_nothing_of_ours_and_restores_the_same(golden, tmp_path):
    tree = ast.parse((HERE / "reader.py").read_text())
    imported = {
        n.names[0].name if isinstance(n, ast.Import) else n.module
        for n in ast.walk(tree)
        if isinstance(n, ast.Import | ast.ImportFrom)
    }
    assert not {name for name in imported if name and name.split(".")[0] in ("replicator", "drstack")}
    done = subprocess.run(
        [sys.executable, str(HERE / "reader.py"), str(golden), "gpt", str(tmp_path / "second")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "40"
    repository = Repository("west", LocalStore(golden))
    restore(repository, select(repository, "gpt", "latest"), tmp_path / "ours")
    assert contents(tmp_path / "second") == contents(tmp_path / "ours") == contents(source(tmp_path / "made", 40))


def test_the_golden_log_says_what_it_said(golden):
    repository = Repository("west", LocalStore(golden))
    view = repository.log("gpt").view()
    assert [str(key) for key in sorted(view.accepted)] == ["1.1", "2.1", "2.2"]
    assert [str(key) for key in view.dropped] == ["1.2"]
    assert [(str(void.commit), void.reason) for void in view.void] == [("1.3", "the open of term 2 does not cover it")]
    assert (view.term, view.sealed) == (2, 1)
    for accepted in view.in_order():
        assert check_decoded(repository, accepted).ok
        assert repository.receipts.levels("gpt", accepted.slot, ("stored", "decoded")) == {
            "stored": True,
            "decoded": True,
        }


def test_of_two_checkpoints_under_one_name_both_readers_restore_the_one_that_its_open_names(tmp_path):
    shutil.copytree(HERE / "counted", tmp_path / "golden")
    repository = Repository("west", LocalStore(tmp_path / "golden"))
    view = repository.log("gpt").view()
    assert [(str(key), each.what.step) for key, each in view.accepted.items()] == [
        ("1.1", 10),
        ("1.2", 20),
        ("1.3", 35),
    ]
    assert [(void.slot, void.reason) for void in view.void] == [(4, "the open of term 2 names another checkpoint 1.3")]
    done = subprocess.run(
        [sys.executable, str(HERE / "reader.py"), str(tmp_path / "golden"), "gpt", str(tmp_path / "second")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "35"
    restore(repository, select(repository, "gpt", "latest"), tmp_path / "ours")
    assert contents(tmp_path / "second") == contents(tmp_path / "ours") == contents(source(tmp_path / "made", 35))


def test_what_was_encoded_anew_is_restored_by_both_readers_and_what_names_old_bytes_is_void_to_both(tmp_path):
    shutil.copytree(HERE / "compacted", tmp_path / "golden")
    repository = Repository("west", LocalStore(tmp_path / "golden"))
    view = repository.log("gpt").view()
    assert [str(key) for key in sorted(view.accepted)] == ["1.2", "1.3"]
    assert [str(each.commit) for each in view.replaced] == ["1.2", "1.3"]
    assert [(str(void.commit), "was let go of before it" in void.reason) for void in view.void] == [("1.5", True)]
    assert all(check_decoded(repository, accepted).ok for accepted in view.in_order())
    done = subprocess.run(
        [sys.executable, str(HERE / "reader.py"), str(tmp_path / "golden"), "gpt", str(tmp_path / "second")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "30"
    restore(repository, select(repository, "gpt", "latest"), tmp_path / "ours")
    assert contents(tmp_path / "second") == contents(tmp_path / "ours") == contents(source(tmp_path / "made", 30))


@pytest.mark.parametrize("folder", ["repository", "counted", "compacted"])
def test_records_of_older_versions_are_written_by_this_one_as_they_were_read(folder):
    log = SlotLog(LocalStore(HERE / folder), "log/gpt", clock=lambda: 0.0, token=lambda: "")
    for record in log.read():
        assert to_record(from_record(record, "log/gpt")) == (record.kind, record.body)


@pytest.mark.parametrize("folder", ["packs", "manifests", "log"])
def test_the_second_reader_notices_a_changed_byte(golden, tmp_path, folder):
    for path in (golden / folder).rglob("*"):
        if path.is_file():
            body = bytearray(path.read_bytes())
            body[len(body) // 2] ^= 1
            path.write_bytes(bytes(body))
    done = subprocess.run(
        [sys.executable, str(HERE / "reader.py"), str(golden), "gpt", str(tmp_path / "second")],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0


def test_what_was_dropped_and_came_back_stands_for_both_readers(tmp_path):
    hot, cold = new(tmp_path / "hot"), new(tmp_path / "cold")
    for each in (hot, cold):
        each.log("gpt").open(Open(term=1, writer="east"))
    push(hot, tmp_path / "sources", (1, 1), 10)
    newest = push(hot, tmp_path / "sources", (1, 2), 20)
    assert copy(hot, cold, "gpt", newest, "west")
    hot.log("gpt").append(lambda _: Drop(term=1, commits=(Id(term=1, height=2),), bytes_after=0.0, reason="test"))
    assert copy(cold, hot, "gpt", cold.log("gpt").view().in_order()[0], "west")
    view = hot.log("gpt").view()
    assert (sorted(view.accepted), dict(view.dropped)) == ([CommitId(1, 1), CommitId(1, 2)], {})
    packs, manifests = removable(view, [], 9e9)
    for key in [pack_key(name) for name in packs] + [manifest_key(name) for name in manifests]:
        hot.store.delete(key)
    done = subprocess.run(
        [sys.executable, str(HERE / "reader.py"), str(tmp_path / "hot"), "gpt", str(tmp_path / "second")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "20"
    assert contents(tmp_path / "second") == contents(source(tmp_path / "made", 20))
