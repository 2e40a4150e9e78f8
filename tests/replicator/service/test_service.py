"""A site's service: what a trainer saves arrives everywhere, torn checkpoints do not, a seal ends it."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from replicator.log.entries import Open
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.service.config import Destination, ServiceConfig, WatchedWorkload, read_config
from replicator.service.service import Service
from replicator.stores.url import make_folder, open_store

if TYPE_CHECKING:
    from pathlib import Path


def repository(folder: Path, name: str) -> Repository:
    make_folder(folder.as_uri())
    store = open_store(folder.as_uri())
    initialise(store, environment="e", witness=None, clock=time.time, token=random_token)
    made = Repository(name, store)
    if made.log("gpt").view().term == 0:
        made.log("gpt").open(Open(term=1, writer="east"))
    return made


def config(tmp_path: Path, site: str = "east", **more: object) -> ServiceConfig:
    names = ("east", "west")
    return ServiceConfig(
        site=site, own=site, poll_s=0.05, quiet_s=0, spool=str(tmp_path / site / "spool"),
        status_file=str(tmp_path / f"{site}.json"),
        workloads=(WatchedWorkload(name="gpt", path=str(tmp_path / site / "ck"), keep=more.pop("keep", 20)),),
        destinations=tuple(Destination(name=n, url=(tmp_path / "stores" / n).as_uri()) for n in names), **more,
    )  # fmt: skip


def save(tmp_path: Path, step: int, *, site: str = "east", fill: float | None = None) -> None:
    folder = tmp_path / site / "ck" / f"step-{step:08d}"
    folder.mkdir(parents=True)
    weights = np.random.default_rng(step).standard_normal(50_000).astype(np.float32)
    if fill is not None:
        weights[7] = fill
    save_file({"w": weights, "adam.v": np.abs(weights)}, folder / "model.safetensors")


@contextmanager
def running(settings: ServiceConfig):
    stop = threading.Event()
    thread = threading.Thread(target=Service(settings).run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def until(condition, within_s: float = 20.0):
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail("it did not come about")


def steps(tmp_path: Path, name: str) -> list[int]:
    return [a.what.step for a in repository(tmp_path / "stores" / name, name).log("gpt").view().in_order()]


@pytest.fixture
def stores(tmp_path):
    return {name: repository(tmp_path / "stores" / name, name) for name in ("east", "west")}


def test_every_complete_checkpoint_arrives_at_both_sites_under_one_height_and_the_standby_attests_it(tmp_path, stores):
    (tmp_path / "east").mkdir()
    (tmp_path / "west").mkdir()
    with running(config(tmp_path)), running(config(tmp_path, "west")):
        for step in (10, 20):
            save(tmp_path, step)
            until(lambda step=step: step in steps(tmp_path, "west") and step in steps(tmp_path, "east"))

        def attested() -> bool:
            there = repository(tmp_path / "stores" / "west", "west")
            commits = there.log("gpt").view().in_order()
            return all(all(there.receipts.levels("gpt", c.slot, ("stored", "decoded")).values()) for c in commits)

        until(attested)
    keys = [[a.what.id() for a in repository(tmp_path / "stores" / n, n).log("gpt").view().in_order()] for n in stores]
    assert keys[0] == keys[1]
    assert [key.height for key in keys[0]] == [1, 2]
    assert list((tmp_path / "east" / "spool" / "gpt").glob("1.*")) == []


def test_a_torn_checkpoint_is_named_in_the_status_and_never_committed(tmp_path, stores):
    (tmp_path / "east").mkdir()
    save(tmp_path, 10)
    whole = tmp_path / "east" / "ck" / "step-00000010" / "model.safetensors"
    torn = tmp_path / "east" / "ck" / "step-00000020"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(whole.read_bytes()[:-100])
    with running(config(tmp_path)):
        until(lambda: steps(tmp_path, "west") == [10])
        until(lambda: "step-00000020" in json.loads((tmp_path / "east.json").read_text())["workloads"]["gpt"]["torn"])
    assert steps(tmp_path, "west") == [10]


def test_a_checkpoint_with_nan_is_committed_as_suspect_and_is_no_recovery_point(tmp_path, stores):
    (tmp_path / "east").mkdir()
    with running(config(tmp_path)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        save(tmp_path, 20, fill=float("nan"))
        until(lambda: steps(tmp_path, "west") == [10, 20])
    newest = repository(tmp_path / "stores" / "west", "west").log("gpt").view().in_order()[-1]
    assert {finding.reason for finding in newest.what.findings} == {"nan"}


@pytest.mark.slow
def test_a_destination_that_is_away_holds_nobody_up_and_gets_it_when_it_is_back(tmp_path, stores):
    (tmp_path / "east").mkdir()
    with running(config(tmp_path)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        (tmp_path / "stores" / "west").rename(tmp_path / "away")
        save(tmp_path, 20)
        until(lambda: steps(tmp_path, "east") == [10, 20])
        (tmp_path / "away").rename(tmp_path / "stores" / "west")
        until(lambda: steps(tmp_path, "west") == [10, 20])


@pytest.mark.slow
def test_a_sealed_writer_is_refused_and_offers_nothing_more(tmp_path, stores):
    (tmp_path / "east").mkdir()
    with running(config(tmp_path)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        repository(tmp_path / "stores" / "west", "west").log("gpt").seal(1, reason="promotion")
        save(tmp_path, 20)

        def status():
            return json.loads((tmp_path / "east.json").read_text())["workloads"]["gpt"]

        until(lambda: status()["destinations"]["west"]["refused"])
        assert status()["role"] == "standby"
        slots = repository(tmp_path / "stores" / "west", "west").log("gpt").view().slots
        save(tmp_path, 30)
        time.sleep(0.5)
        assert repository(tmp_path / "stores" / "west", "west").log("gpt").view().slots == slots
    assert steps(tmp_path, "west") == [10]


def test_a_promoted_site_does_not_ship_again_what_it_restored(tmp_path, stores):
    from replicator.repository.restore import restore

    (tmp_path / "east").mkdir()
    with running(config(tmp_path)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
    for name in stores:
        log = repository(tmp_path / "stores" / name, name).log("gpt")
        log.seal(1, reason="promotion")
        log.open(Open(term=2, writer="west", heads={"1": 1}))
    there = repository(tmp_path / "stores" / "west", "west")
    accepted = there.log("gpt").view().in_order()[0]
    restore(there, accepted, tmp_path / "west" / "ck" / accepted.what.name)
    with running(config(tmp_path, "west")):
        save(tmp_path, 20, site="west")
        until(lambda: steps(tmp_path, "east") == [10, 20])
    view = repository(tmp_path / "stores" / "east", "east").log("gpt").view()
    assert [str(key) for key in sorted(view.accepted)] == ["1.1", "2.1"]


def test_only_the_newest_and_the_attested_stay(tmp_path, stores):
    (tmp_path / "west").mkdir()
    (tmp_path / "east").mkdir()
    settings = config(tmp_path, keep=2, drop_grace_s=0.0)
    with running(settings):
        for step in (10, 20, 30, 40):
            save(tmp_path, step)
            until(lambda step=step: step in steps(tmp_path, "east"))
        until(lambda: steps(tmp_path, "east") == [30, 40])
    there = repository(tmp_path / "stores" / "east", "east")
    wanted = {pack.digest for a in there.log("gpt").view().in_order() for pack in a.where.packs}
    left = {path.name for path in (tmp_path / "stores" / "east" / "packs").rglob("*") if path.is_file()}
    assert left == wanted


def test_a_configuration_that_does_not_hold_names_every_field(tmp_path):
    from replicator.errors import ReplicatorError

    path = tmp_path / "c.json"
    path.write_text(json.dumps({"site": "east", "own": 3, "surprise": 1}))
    with pytest.raises(ReplicatorError) as caught:
        read_config(path)
    for field in ("own", "surprise", "destinations", "spool"):
        assert field in str(caught.value)
