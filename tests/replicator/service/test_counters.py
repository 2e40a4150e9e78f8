"""What a service commits names the process that counted it, so that a height given out twice names one checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from replicator.log.covering import settle
from replicator.log.entries import Open
from replicator.model import CommitId
from replicator.repository.establish import open_at
from replicator.repository.ship import ship
from replicator.service.once import push_once
from replicator.service.service import Service
from replicator.service.spool import Spool
from tests.replicator.repository.rig import checkpoint, push
from tests.replicator.service.test_service import config, repository, save
from tests.replicator.service.test_spool import admit
from tests.replicator.service.test_terms import admitted


@pytest.fixture
def stores(tmp_path):
    (tmp_path / "east").mkdir()
    return {name: repository(tmp_path / "stores" / name, name) for name in ("east", "west")}


def shipper(service, name):
    return next(each for each in service._workloads[0].shippers if each.repository.name == name)


def end_term(stores, *sealed):
    """As a promotion does that sealed these, best first. Returns per repository the steps that stand then."""
    head, runs = settle(stores[name].log("gpt").view().counted(1) for name in sealed)
    for store in stores.values():
        log = store.log("gpt")
        log.seal(1, reason="promotion")
        log.open(Open(term=2, writer="west", heads={"1": head}, counters={"1": runs}))
    return {name: [each.what.step for each in store.log("gpt").view().in_order()] for name, store in stores.items()}


@pytest.mark.parametrize(
    ("sealed", "stand"), [("east", {"east": [20], "west": []}), ("west", {"east": [], "west": [10]})]
)
def test_a_lost_spool_and_a_destination_taken_out_of_the_configuration(tmp_path, stores, sealed, stand):
    before = Service(config(tmp_path))
    assert shipper(before, "west")._ship(admitted(before, 10, tmp_path))
    shutil.rmtree(tmp_path / "east" / "spool")
    shutil.rmtree(tmp_path / "east" / "ck")
    alone = config(tmp_path).model_copy(update={"destinations": config(tmp_path).destinations[:1]})
    after = Service(alone)
    assert shipper(after, "east")._ship(admitted(after, 20, tmp_path))
    names = [store.log("gpt").view().accepted for store in stores.values()]
    assert [list(each) for each in names] == [[CommitId(1, 1)], [CommitId(1, 1)]]
    assert names[0][CommitId(1, 1)].what.counter != names[1][CommitId(1, 1)].what.counter
    assert end_term(stores, sealed) == stand


def test_a_spool_that_came_back_from_a_backup(tmp_path, stores):
    service = Service(config(tmp_path))
    first = admitted(service, 10, tmp_path)
    assert all(shipper(service, name)._ship(first) for name in ("east", "west"))
    shutil.copytree(tmp_path / "east" / "spool", tmp_path / "backup")
    assert shipper(service, "west")._ship(admitted(service, 20, tmp_path))
    shutil.rmtree(tmp_path / "east" / "spool")
    (tmp_path / "backup").rename(tmp_path / "east" / "spool")
    shutil.rmtree(tmp_path / "east" / "ck" / "step-00000020")
    again = Service(config(tmp_path))
    assert shipper(again, "east")._ship(admitted(again, 30, tmp_path))
    both = [store.log("gpt").view().accepted[CommitId(1, 2)].what for store in stores.values()]
    assert [what.step for what in both] == [30, 20]
    assert end_term(stores, "east") == {"east": [10, 30], "west": [10]}


def test_a_restart_with_its_spool_ships_what_waited_as_it_was_counted_and_every_repository_keeps_it(tmp_path, stores):
    service = Service(config(tmp_path))
    entry = admitted(service, 10, tmp_path)
    assert shipper(service, "east")._ship(entry)
    again = Service(config(tmp_path))
    (same,) = again._workloads[0].spool.entries()
    assert same.push.counter == entry.push.counter != again._workloads[0].spool.counter
    assert shipper(again, "west")._ship(same)
    newer = admitted(again, 20, tmp_path)
    assert newer.push.counter == again._workloads[0].spool.counter
    assert shipper(again, "west")._ship(newer)
    assert end_term(stores, "west", "east") == {"east": [10], "west": [10, 20]}


def test_no_height_is_given_out_twice_by_one_spool_though_its_memory_is_moved_away_meanwhile(tmp_path, stores):
    service = Service(config(tmp_path))
    workload = service._workloads[0]
    entry = admitted(service, 10, tmp_path)
    shutil.rmtree(entry.folder)
    (tmp_path / "east" / "spool" / "gpt" / "memory.json").unlink()
    save(tmp_path, 20)
    service.look()
    service.look()
    assert {each.push.height for each in workload.spool.entries()} == {2, 3}


def test_a_checkpoint_that_gets_another_height_is_counted_by_whoever_gives_it_that(tmp_path):
    entry = admit(Spool(tmp_path / "spool"), tmp_path / "ck", replace(push(1, 10), counter="earlier"))
    again = Spool(tmp_path / "spool")
    renumbered = again.renumber(entry, 5, lambda: "ab" * 16)
    assert renumbered is not None
    assert (renumbered.push.height, renumbered.push.counter) == (6, again.counter)
    assert Spool(tmp_path / "spool").entries()[0].push.counter == again.counter


def test_an_entry_of_a_spool_from_before_counters_is_shipped_without_one(tmp_path, stores):
    entry = admit(Spool(tmp_path / "spool"), tmp_path / "ck", push(1, 10))
    said = (entry.folder / "push.json").read_text()
    (entry.folder / "push.json").write_text(said.replace(', "counter": null', ""))
    spool = Spool(tmp_path / "spool")
    (old,) = spool.entries()
    accepted = ship(old.push, spool.snapshot(old), stores["west"])
    assert accepted is not None
    assert accepted.what.counter is None
    assert end_term(stores, "west") == {"east": [], "west": [10]}


def test_one_checkpoint_pushed_by_hand_to_two_repositories_apart_is_the_same_one(tmp_path, stores):
    checkpoint(tmp_path / "hand", 10)
    for store in stores.values():
        push_once(tmp_path / "hand", [open_at(store.store.url, None)], workload="gpt", step=10, writer="east")
    assert end_term(stores, "west") == {"east": [10], "west": [10]}
