"""A restore that died goes on where it was; what is in the way stays; a full disk is said before anything is fetched."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from replicator.errors import DataCorrupt, DestinationOccupied, ReplicatorError, StoreUnavailable
from replicator.repository import staging
from replicator.repository.ladder import Ladder
from replicator.repository.restore import restore, restore_from
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from replicator.stores.local import LocalStore
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.rig import checkpoint, contents, cut_every, push, repository


class Reads:
    """Counts what is read of packs, and fails from the n-th read on."""

    def __init__(self) -> None:
        self.bytes, self.left, self.damage = 0, None, None

    def before(self, verb, key):
        if verb == "get" and key.startswith("packs/") and self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise StoreUnavailable("503 Slow Down")

    def after(self, verb, key):
        pass

    def filter(self, key, body):
        if not key.startswith("packs/"):
            return body
        self.bytes += len(body)
        return self.damage(body) if self.damage else body


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 300_000)
    cut_every(64_000, monkeypatch)
    monkeypatch.setattr("replicator.repository.ladder.UNIT_BYTES", 128_000)


@pytest.fixture
def shipped(tmp_path):
    reads = Reads()
    there = repository(FaultyStore(memory_store(), reads))
    return reads, there, ship(push(1, 10), checkpoint(tmp_path / "a", 10, size=2_000_000), there)


@pytest.fixture
def shipped_encrypted(tmp_path_factory, tmp_path):
    reads, family = Reads(), Family(tmp_path_factory.mktemp("family"))
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10, size=2_000_000), family.all())
    return reads, family.hand("operator", store=FaultyStore(family.store, reads)), accepted


@pytest.mark.parametrize("which", ["shipped", "shipped_encrypted"])
def test_what_was_fetched_before_the_store_went_away_is_not_fetched_again(tmp_path, request, which):
    shipped = request.getfixturevalue(which)
    reads, there, accepted = shipped
    reads.left = 8
    with pytest.raises(StoreUnavailable):
        restore(there, accepted, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    reads.left, first, reads.bytes = None, reads.bytes, 0
    done = []
    restore(there, accepted, tmp_path / "b", progress=done.append)
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert first > 500_000
    assert first + reads.bytes < 2_000_000 + 5 * 128_000
    assert sum(done) == accepted.what.size_bytes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("junk", ["flipped", "longer", "other file", "read-only"])
def test_what_is_wrong_in_the_staging_folder_is_fetched_again(tmp_path, shipped, junk):
    reads, there, accepted = shipped
    reads.left = 8
    with pytest.raises(StoreUnavailable):
        restore(there, accepted, tmp_path / "b")
    reads.left = None
    (folder,) = tmp_path.glob(".b.*")
    weights = folder / "weights"
    body = bytearray(weights.read_bytes())
    if junk == "flipped":
        body[100] ^= 1
        weights.write_bytes(bytes(body))
    elif junk == "longer":
        weights.write_bytes(bytes(body) + b"x" * 3_000_000)
    elif junk == "other file":
        (folder / "stranger").write_text("?")
    else:
        weights.chmod(0o400)
    restore(there, accepted, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")


def test_two_restores_at_once_to_one_place_both_end_well(tmp_path, shipped):
    _, there, accepted = shipped
    ends = []

    def run():
        ends.append(restore_from(Ladder([(there, accepted)]), tmp_path / "b"))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ends) == 2
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_held_by_another_restore_is_left_to_it(tmp_path, shipped):
    _, there, accepted = shipped
    with staging.staging(tmp_path / "b", accepted.what.root[:16]) as held:
        (held / "theirs").write_text("x")
        restore(there, accepted, tmp_path / "b")
        assert (held / "theirs").read_text() == "x"
    assert contents(tmp_path / "b") == contents(tmp_path / "a")


def test_too_little_room_is_said_before_anything_is_fetched(tmp_path, shipped, monkeypatch):
    reads, there, accepted = shipped
    usage = shutil.disk_usage(tmp_path)._replace(free=1_999_999)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(ReplicatorError, match=r"No space left.*2,000,002 bytes are needed, 1,999,999 are free"):
        restore(there, accepted, tmp_path / "deep" / "b")
    assert reads.bytes == 0
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_is_in_the_way_stays_as_it_is(tmp_path, shipped, what):
    reads, there, accepted = shipped
    target = tmp_path / "b"
    if what == "file":
        target.write_text("mine")
    elif what == "folder":
        target.mkdir()
        (target / "mine").write_text("mine")
    else:
        (tmp_path / "elsewhere").mkdir()
        target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DestinationOccupied):
        restore(there, accepted, target)
    assert reads.bytes == 0
    assert list(tmp_path.glob(".b.*")) == []
    if what == "link":
        assert target.is_symlink()


@pytest.mark.parametrize("answer", [b"", b"wrong"])
def test_a_read_that_was_wrong_once_is_asked_for_once_more(tmp_path, shipped, answer):
    reads, there, accepted = shipped
    answers = iter([answer])
    reads.damage = lambda body: next(answers, body)
    restore(there, accepted, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")


@pytest.mark.parametrize("lie", [lambda body: body[:-1], lambda body: bytes([body[0] ^ 1]) + body[1:]])
def test_a_store_that_truncates_or_changes_what_it_gives_is_never_believed(tmp_path, shipped, lie):
    reads, there, accepted = shipped
    reads.damage = lie
    with pytest.raises(DataCorrupt):
        restore(there, accepted, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_restore_of_many_files_that_fails_ends(tmp_path):
    """More files than are written at once: those that never began are not waited for."""
    source = tmp_path / "a"
    source.mkdir()
    for n in range(40):
        (source / f"f{n:02d}").write_bytes(bytes([n]) * 100_000)
    reads = Reads()
    there = repository(FaultyStore(memory_store(), reads))
    accepted = ship(push(1, 10), take_snapshot(source, sorted(path.name for path in source.iterdir())), there)
    reads.damage = lambda body: body[:-1]
    ended: list[BaseException] = []

    def bring() -> None:
        try:
            restore(there, accepted, tmp_path / "b")
        except DataCorrupt as error:
            ended.append(error)

    thread = threading.Thread(target=bring, daemon=True)
    thread.start()
    thread.join(30)
    assert ended


SLOW = """
import os, sys, time
from pathlib import Path
from replicator.repository import blocks, ladder, packs
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.select import select
from replicator.stores.local import LocalStore
ladder.UNIT_BYTES = 128_000
class Slow(LocalStore):
    def get_range(self, key, offset, length):
        time.sleep(0.05)
        return super().get_range(key, offset, length)
there = Repository("r", Slow(Path(sys.argv[1])))
def tell(count):
    os.write(1, f"{count}\\n".encode())  # in one piece: several threads tell
restore(there, select(there, "gpt", "latest"), Path(sys.argv[2]), progress=tell)
"""


def test_after_sigkill_the_same_restore_fetches_only_what_is_missing(tmp_path):
    (tmp_path / "r").mkdir()
    there = repository(LocalStore(tmp_path / "r"))
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10, size=3_000_000), there)
    command = [sys.executable, "-c", SLOW, str(tmp_path / "r"), str(tmp_path / "b")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
    told = 0
    while told < 1_000_000:
        told += int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert not (tmp_path / "b").exists()
    reads = Reads()
    again = repository(FaultyStore(LocalStore(tmp_path / "r"), reads))
    restore(again, accepted, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert reads.bytes <= 3_000_000 - told + 128_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "r"]
