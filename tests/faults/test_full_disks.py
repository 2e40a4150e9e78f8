"""Disks that fill up under the real replicator: at the source and its spool, at the spool alone, at a destination.

It lives, ships what it has, commits nothing torn, and takes up what waits once there is room; nobody training is held up.
"""

from __future__ import annotations

import shutil
import signal
import time

import pytest

from replicator.repository.establish import open_at
from replicator.service.config import Destination
from replicator.stores.local import LocalStore
from replicator.train.shipper import Shipper
from tests.faults.disks import fill, small_disk
from tests.faults.site import NAMES, Reader, Site, is_sound, until
from tests.faults.storm import storm
from tests.faults.tensors import write_tensors
from tests.replicator.repository.rig import repository as prepared

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MIB = 1 << 20


def arrived(site, step, *names, within_s=60):
    return until(lambda: all(step in site.steps(name) for name in names or NAMES), within_s)


@pytest.mark.faults("full disks", 1, 1)
def test_a_full_disk_of_source_and_spool_holds_up_neither_what_is_there_nor_what_comes_later(tmp_path, cases):
    with small_disk(tmp_path / "east", 12 * MIB) as disk, storm(tmp_path / "stores") as sky:
        site = Site(tmp_path).prepare()
        site.redirect("west", Destination(name="west", url=sky.url("west"), ceiling_bytes_per_s=1.5e6))
        reader = Reader(site)
        process = site.start()
        assert until(site.is_up, 240)
        with reader.reading():
            write_tensors(disk / "ck" / "step-00000010" / "model.safetensors", 4 * MIB, seed=1)
            assert until(lambda: sky.counts().body_bytes > MIB, 60)
            ballast = fill(disk)
            assert not site.steps("west"), "it was full too late to show anything"
            assert arrived(site, 10, "west"), f"what was on its way stands still: {site.status()}"
            with pytest.raises(OSError, match="No space"):
                write_tensors(disk / "ck" / "step-00000020" / "model.safetensors", 4 * MIB, seed=2)
            time.sleep(1.0)
            assert process.poll() is None, (tmp_path / "stderr").read_text()[-3000:]
            assert site.steps("east") == [10]
            ballast.unlink()
            shutil.rmtree(disk / "ck" / "step-00000020")
            assert until(lambda: not site.waiting(), 30), "the spool keeps what was delivered"
            shutil.rmtree(disk / "ck" / "step-00000010")
            write_tensors(disk / "ck" / "step-00000030" / "model.safetensors", 4 * MIB, seed=3)
            assert arrived(site, 30), site.status()
        site.kill(signal.SIGTERM)
        assert is_sound(site, reader) == []
        assert [site.steps(name) for name in NAMES] == [[10, 30], [10, 30]]
    cases.ran(1)


@pytest.mark.faults("full disks", 1, 1)
def test_a_checkpoint_that_finds_the_spool_full_is_shipped_when_there_is_room_also_after_a_kill(tmp_path, cases):
    """The spool has a disk of its own, so that checkpoints must be copied into it."""
    with small_disk(tmp_path / "spool", 3 * MIB) as disk:
        site = Site(tmp_path).prepare(spool=str(disk / "spool"))
        process = site.start()
        assert until(site.is_up, 240)
        ballast = fill(disk)
        site.save(10)
        assert until(lambda: site.status()["trouble"], 30), "nobody says that the spool is full"
        assert "No space left" in str(site.status()["trouble"])
        assert process.poll() is None
        site.kill()
        site.start()
        assert until(site.is_up, 240)
        assert site.steps("east") == []
        ballast.unlink()
        assert arrived(site, 10), site.status()
        site.kill(signal.SIGTERM)
        assert site.steps("west") == [10]
        assert sorted(path.name for path in (disk / "spool" / "gpt").iterdir()) == [".acknowledged", "memory.json"]
    cases.ran(1)


@pytest.mark.faults("full disks", 1, 1)
def test_a_full_destination_gets_the_newest_when_there_is_room_and_others_do_not_wait(tmp_path, cases):
    with small_disk(tmp_path / "stores" / "west", MIB) as disk:
        site = Site(tmp_path).prepare()
        ballast = fill(disk)
        site.start()
        for step in (10, 20):
            site.save(step)
            assert arrived(site, step, "east")
        assert until(lambda: "no space left" in str(site.status()["destinations"]["west"]["trouble"]), 30)
        assert site.steps("west") == []
        ballast.unlink()
        assert arrived(site, 20, "west"), site.status()
        site.kill(signal.SIGTERM)
        assert list((disk / ".staging").iterdir()) == []
    cases.ran(1)


@pytest.mark.faults("full disks", 1, 1)
def test_a_trainer_whose_disk_is_full_goes_on_and_is_told_what_was_not_shipped(tmp_path, cases):
    prepared(LocalStore(made(tmp_path / "store")))
    url = (tmp_path / "store").as_uri()
    with small_disk(tmp_path / "disk", 4 * MIB) as disk:
        shipper = Shipper(url, workload="gpt", spool=disk / "spool", writer="east")
        try:
            write_tensors(disk / "ck" / "step-10" / "model.safetensors", MIB, seed=1)
            ballast = fill(disk)
            began = time.monotonic()
            shipper.submit(disk / "ck" / "step-10", 10)
            assert time.monotonic() - began < 5.0, "the trainer was held up"
            time.sleep(0.5)
            ballast.unlink()
            write_tensors(disk / "ck" / "step-20" / "model.safetensors", MIB, seed=2)
            assert shipper.submit(disk / "ck" / "step-20", 20)
            missing = {each.step for each in shipper.wait(60)}
        finally:
            shipper.close()
    held = {each.what.step for each in open_at(url, None).log("gpt").view().in_order()}
    assert 20 in held
    assert missing | held == {10, 20}, "a checkpoint was forgotten"
    cases.ran(1)


def made(folder):
    folder.mkdir()
    return folder


@pytest.mark.faults("full disks", 1, 1)
def test_a_disk_full_of_what_was_delivered_and_pruned_is_freed_by_the_replicator(tmp_path, cases):
    """The trainer deleted it; the spool's links alone keep it. Nothing else makes room."""
    with small_disk(tmp_path / "east", 12 * MIB) as disk, storm(tmp_path / "stores") as sky:
        site = Site(tmp_path).prepare()
        site.redirect("west", Destination(name="west", url=sky.url("west"), ceiling_bytes_per_s=2e6))
        site.start()
        assert until(site.is_up, 240)
        write_tensors(disk / "ck" / "step-00000010" / "model.safetensors", 6 * MIB, seed=1)
        assert until(lambda: sky.counts().body_bytes > MIB, 60)
        shutil.rmtree(disk / "ck" / "step-00000010")
        fill(disk)
        assert arrived(site, 10), site.status()
        assert until(lambda: shutil.disk_usage(disk).free > 5 * MIB, 30), "its links still fill the disk"
        write_tensors(disk / "ck" / "step-00000020" / "model.safetensors", 2 * MIB, seed=2)
        assert arrived(site, 20), site.status()
        site.kill(signal.SIGTERM)
    cases.ran(1)
