"""Stores that lie: writes acknowledged and lost, stale listings and reads, truncated and wrong bytes, storms of 503.

The replicator is a real process before them, keeper and verifier too. Whatever it was told, afterwards: every commit
decodes or is known to be damaged, nothing needed was deleted, and the newest arrives once the store answers rightly.
"""

from __future__ import annotations

import random
import shutil
import time

import pytest

from replicator.errors import DataCorrupt, ReplicatorError, StoreError
from replicator.repository.repair import repair
from replicator.repository.repository import Repository, newest_recovery_point
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.repository.verify import check_decoded, verify
from replicator.service.config import WatchedWorkload
from replicator.stores.address import bucket_address
from replicator.stores.clients import Patience
from replicator.stores.local import LocalStore
from replicator.stores.retry import RetryingStore
from replicator.stores.s3 import s3_store
from tests.faults.site import NAMES, Reader, Site, is_sound, until
from tests.faults.storm import credentials, storm
from tests.faults.weather import Weather
from tests.replicator.repository.rig import checkpoint, contents, push, repository

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

LIES = {
    "503": {"refused": 0.6},
    "stale": {"stale": 0.5},
    "truncated": {"truncated": 0.3},
    "wrong": {"wrong": 0.3},
    "all": {"refused": 0.2, "stale": 0.2, "truncated": 0.1, "wrong": 0.1, "lost": 0.1, "cut": 0.1},
}


@pytest.mark.faults("lying reads", 1, 40)
def test_a_replicator_that_is_lied_to_loses_nothing_and_goes_on_when_the_lies_end(tmp_path, cases):
    lies = refused = 0
    for seed in cases.seeds():
        dice, root = random.Random(seed), tmp_path / str(seed)
        root.mkdir()
        kind = ("all", *LIES)[seed % (1 + len(LIES))]
        with storm(root / "stores") as sky:
            watched = WatchedWorkload(name="gpt", path=str(root / "east" / "ck"), keep=2)
            site = Site(root, sky).prepare(drop_grace_s=0.0, workloads=(watched,))
            reader = Reader(site)
            site.start()
            assert until(site.is_up, 240)
            for step in (10, 20):
                site.save(step)
                assert until(lambda step=step: all(step in site.steps(name) for name in NAMES), 60)
            sky.weather(Weather(seed=seed, **LIES[kind]))
            for step in (30, 40, 50):
                site.save(step)
                time.sleep(dice.uniform(0.5, 2.0))
            sky.calm()
            said = f"seed {seed} ({kind}), {root / 'stderr'}"
            site.save(60)
            arrived = until(lambda: all(60 in site.steps(name) for name in NAMES), 120)
            kept = until(lambda: len(site.steps("east")) <= 3, 90)
            site.kill()
            reader.look()
            counts = sky.counts()
            lies, refused = lies + counts.lies, refused + counts.refused
        assert is_sound(site, reader) == [], said
        assert arrived, f"{[site.steps(name) for name in NAMES]}, {said}"
        assert kept, f"the keeper stopped: {site.steps('east')}, {said}"
        shutil.rmtree(root / "stores")
    cases.found(f"{lies} lies told, {refused} requests refused")


@pytest.mark.faults("lost writes", 2, 60)
def test_a_write_that_was_acknowledged_and_lost_is_found_and_what_a_peer_has_is_repaired(tmp_path, cases, monkeypatch):
    """Packs, manifests and parts go; east is honest."""
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 60_000)
    gone = found = 0
    for seed in cases.seeds():
        root = tmp_path / str(seed)
        root.mkdir()
        with storm(root / "stores") as sky:
            east = repository(LocalStore(folder(root / "honest")), name="east")
            direct = repository(LocalStore(folder(root / "stores" / "west")), name="west")
            west = Repository("west", lied_to(sky, "west"))
            sky.weather(Weather(seed=seed, gone=0.1, kinds=("packs", "manifests", "parts")))
            for n in range(1, 5):
                snapshot = checkpoint(root / f"ck-{n}", n, size=200_000, seed=n // 2)
                for there in (east, west):
                    try:
                        ship(push(n, n, attempt=f"a{n}", salt=bytes([n]) * 16), snapshot, there)
                    except (DataCorrupt, StoreError):
                        assert there is west, "the honest one is no liar"
                for accepted in direct.log("gpt").view().in_order():
                    if accepted.what.height == n:
                        verify(direct, "gpt", accepted, "verifier")
            gone += sky.counts().gone
            for accepted in direct.log("gpt").view().in_order():
                well = check_decoded(direct, accepted).ok
                levels = direct.receipts.levels("gpt", accepted.slot, ("stored", "decoded"))
                found += not well
                assert all(levels.values()) == well, (
                    f"seed {seed}: {accepted.what.id()} is attested otherwise than it is"
                )
            newest = newest_recovery_point(direct, "gpt", ("stored", "decoded"))
            assert newest is None or check_decoded(direct, newest).ok, f"seed {seed}"
            repair(direct, [east], "operator", full=True)
            for accepted in direct.log("gpt").view().in_order():
                assert check_decoded(direct, accepted).ok, f"seed {seed}: a peer has it, and it was not repaired"
                target = root / "out" / str(accepted.what.height)
                restore(direct, accepted, target)
                assert contents(target) == contents(root / f"ck-{accepted.what.height}")
        shutil.rmtree(root)
    cases.found(f"{gone} writes lost, {found} checkpoints damaged by that, all found")


@pytest.mark.faults("lying restores", 2, 100)
def test_a_restore_that_is_lied_to_gives_the_right_bytes_or_none(tmp_path, cases, monkeypatch):
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 60_000)
    right = refused = 0
    with storm(tmp_path / "stores") as sky:
        direct = repository(LocalStore(folder(tmp_path / "stores" / "west")), name="west")
        east = repository(LocalStore(folder(tmp_path / "honest")), name="east")
        snapshot = checkpoint(tmp_path / "ck", 1, size=400_000)
        for there in (direct, east):
            ship(push(1, 1), snapshot, there)
        for seed in cases.seeds():
            sky.weather(Weather(seed=seed, truncated=0.02, wrong=0.02, stale=0.0, refused=0.01))
            for n in range(5):
                out = tmp_path / "out" / f"{seed}-{n}"
                west = Repository("west", lied_to(sky, "west"))
                try:
                    restore(west, west.log("gpt").view().in_order()[0], out)
                except ReplicatorError:
                    refused += 1
                    assert not out.exists(), f"seed {seed}: a folder that looks whole"
                    continue
                right += 1
                assert contents(out) == contents(tmp_path / "ck"), f"seed {seed}: wrong bytes"
                shutil.rmtree(out)
    cases.found(f"{right} restores right, {refused} refused")
    assert right
    assert refused


def lied_to(sky, bucket):
    return RetryingStore(s3_store(bucket_address(sky.url(bucket)), Patience()), attempts=3, wait_s=0.01)


def folder(path):
    path.mkdir(parents=True)
    return path
