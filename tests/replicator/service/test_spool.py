"""What is in the spool is shipped as it was admitted, or not at all; what goes from it ends no worker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from replicator.errors import CheckpointTorn, SourceChanged
from replicator.model import Finding
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.service.shipping import Shipping, choose
from replicator.service.spool import Entry, Spool
from tests.replicator.repository.rig import push, repository

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.repository.ship import Push

NAN = (Finding(reason="nan", tensor="w", evidence="1 of 10"),)


class Racing(Spool):
    """Lets every entry go at the next listing, as the service's main thread may."""

    race = False

    def entries(self) -> list[Entry]:
        found = super().entries()
        if self.race:
            self.race = False
            for each in found:
                self.finish(each)
        return found


def admit(spool: Spool, source: Path, wanted: Push, body: bytes = b"A" * 1000) -> Entry:
    source.mkdir(exist_ok=True)
    (source / "w").write_bytes(body)
    making = spool.pin(source, ["w"])
    return spool.admit(making, wanted, f"signature of {wanted.name}", take_snapshot(making / "files", ["w"]))


def shipping(spool: Spool, there) -> Shipping:
    return Shipping(there, spool, threading.Event(), lambda _term, _why: None)


def test_a_checkpoint_rewritten_in_place_is_given_up_after_a_restart(tmp_path):
    east, west = repository(name="east"), repository(name="west")
    spool = Spool(tmp_path / "spool")
    entry = admit(spool, tmp_path / "ck", push(1, 10), b"A" * 100_000)
    ship(entry.push, spool.snapshot(entry), east)
    with (tmp_path / "ck" / "w").open("wb") as file:
        file.write(b"B" * 1000)
    again = Spool(tmp_path / "spool")
    (entry,) = again.entries()
    with pytest.raises(SourceChanged, match="rewritten in place"):
        again.snapshot(entry)
    shipping(again, west).ship_pending(threading.Event())
    assert west.log("gpt").view().accepted == {}
    assert entry.marks()["west"].startswith("given up")


def test_an_entry_is_the_same_push_of_the_same_files_after_a_restart(tmp_path):
    entry = admit(Spool(tmp_path / "spool"), tmp_path / "ck", push(1, 10, findings=NAN))
    again = Spool(tmp_path / "spool")
    assert again.entries() == [entry]
    assert again.snapshot(entry).entries == take_snapshot(tmp_path / "ck", ["w"]).entries


def test_an_entry_that_goes_while_it_is_listed_is_not_committed(tmp_path):
    spool, west = Racing(tmp_path / "spool"), repository(name="west")
    admit(spool, tmp_path / "ck", push(1, 10))
    spool.race = True
    shipping(spool, west).ship_pending(threading.Event())
    assert west.log("gpt").view().accepted == {}


def test_an_entry_that_goes_while_it_is_shipped_is_passed_over(tmp_path):
    spool, west = Spool(tmp_path / "spool"), repository(name="west")
    entry = admit(spool, tmp_path / "ck", push(1, 10))
    spool.finish(entry)
    worker = shipping(spool, west)
    assert worker._ship(entry)
    assert worker.status.trouble is None
    entry.mark("west", "committed")
    assert not entry.folder.exists()
    assert west.log("gpt").view().accepted == {}


def test_a_worker_records_what_went_wrong_and_goes_on(tmp_path):
    class Broken(Spool):
        def pending(self, destination: str) -> list[Entry]:
            stop.set()
            raise OSError("the disk is gone")

    stop = threading.Event()
    worker = shipping(Broken(tmp_path / "spool"), repository())
    worker.wake.set()
    worker.run(stop)
    assert worker.status.trouble == "the disk is gone"


def test_nothing_is_made_of_no_files(tmp_path):
    with pytest.raises(CheckpointTorn, match="no file"):
        take_snapshot(tmp_path, [])


def test_the_newest_sound_checkpoint_is_shipped_however_many_suspect_ones_wait(tmp_path):
    spool, west = Spool(tmp_path / "spool"), repository(name="west")
    for n in range(1, 7):
        wanted = push(n, n * 10, attempt=f"{n}" * 8, findings=NAN if n > 1 else ())
        admit(spool, tmp_path / f"ck{n}", wanted, bytes([n]) * 100)
    ship_these, skip = choose(spool.pending("west"))
    assert ([e.push.height for e in ship_these], [e.push.height for e in skip]) == ([6, 5, 4, 3, 1], [2])
    shipping(spool, west).ship_pending(threading.Event())
    assert [a.what.step for a in west.log("gpt").view().in_order() if not a.what.suspect] == [10]
