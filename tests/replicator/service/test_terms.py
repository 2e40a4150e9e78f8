"""A writer that was replaced and writes again, and one whose node was: terms and heights stay apart."""

from __future__ import annotations

import json

import pytest

from replicator.errors import HeightTaken, ReplicatorError
from replicator.log.entries import Open
from replicator.repository.ship import ship
from replicator.service.service import Service
from tests.replicator.repository.rig import checkpoint, push
from tests.replicator.service.test_service import config, repository, running, save, steps, until


@pytest.fixture
def stores(tmp_path):
    (tmp_path / "east").mkdir()
    return {name: repository(tmp_path / "stores" / name, name) for name in ("east", "west")}


def turn(stores, *, until_term):
    """Promotions up to `until_term`, odd terms east's."""
    for term in range(2, until_term + 1):
        for each in stores.values():
            log = each.log("gpt")
            log.seal(term - 1, reason="promotion")
            log.open(Open(term=term, writer="east" if term % 2 else "west"))


def admitted(service, step, tmp_path):
    save(tmp_path, step)
    service.look()
    service.look()
    return next(e for e in service._workloads[0].spool.entries() if e.push.step == step)


def test_leftovers_of_an_old_term_do_not_end_the_term_in_which_the_site_writes_again(tmp_path, stores):
    admitted(Service(config(tmp_path)), 10, tmp_path)
    turn(stores, until_term=3)
    with running(config(tmp_path)):
        save(tmp_path, 20)
        until(lambda: 20 in steps(tmp_path, "west"))
        shown = json.loads((tmp_path / "east.json").read_text())["workloads"]["gpt"]
        assert (shown["role"], shown["sealed"]) == ("writer", None)
    assert 10 not in steps(tmp_path, "west")


def test_the_seal_of_an_old_term_refuses_no_checkpoint_of_a_newer_one(tmp_path, stores):
    service = Service(config(tmp_path))
    old = admitted(service, 10, tmp_path)
    turn(stores, until_term=3)
    new = admitted(service, 20, tmp_path)
    assert (old.push.term, new.push.term) == (1, 3)
    shipper = service._workloads[0].shippers[1]
    assert shipper._ship(old)
    assert {name: said.split(":")[0] for name, said in old.marks().items()} == {"east": "refused", "west": "refused"}
    assert new.marks() == {}
    assert service._workloads[0].role == "writer"


def test_an_unreadable_spool_entry_is_named_in_the_status_and_ends_no_worker(tmp_path, stores):
    cut = tmp_path / "east" / "spool" / "gpt" / "1.1-deadbeef"
    cut.mkdir(parents=True)
    (cut / "push.json").write_text("")
    with running(config(tmp_path)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
        shown = json.loads((tmp_path / "east.json").read_text())["workloads"]["gpt"]
        assert "1.1-deadbeef cannot be read" in shown["trouble"]


def test_a_new_spool_numbers_above_what_any_destination_holds(tmp_path, stores):
    ship(push(1, 10), checkpoint(tmp_path / "lost", 10), stores["west"])
    service = Service(config(tmp_path))
    assert admitted(service, 20, tmp_path).push.height == 2


def test_a_new_spool_does_not_number_while_a_destination_is_away(tmp_path, stores):
    ship(push(1, 10), checkpoint(tmp_path / "lost", 10), stores["west"])
    (tmp_path / "stores" / "west").rename(tmp_path / "away")
    service = Service(config(tmp_path))
    save(tmp_path, 20)
    service.look()
    service.look()
    workload = service._workloads[0]
    assert workload.spool.entries() == []
    assert "west cannot say what was numbered" in str(workload.trouble)
    (tmp_path / "away").rename(tmp_path / "stores" / "west")
    service.look()
    service.look()
    assert [entry.push.height for entry in workload.spool.entries()] == [2]


def test_a_term_that_opens_under_the_spools_eyes_needs_no_destination_to_number(tmp_path, stores):
    service = Service(config(tmp_path, "west"))
    service.look()
    turn(stores, until_term=2)
    (tmp_path / "stores" / "east").rename(tmp_path / "away")
    (tmp_path / "west").mkdir(exist_ok=True)
    save(tmp_path, 10, site="west")
    service.look()
    service.look()
    assert [str(e.push.height) for e in service._workloads[0].spool.entries()] == ["1"]


def test_a_height_that_somebody_else_took_is_left_to_them_and_the_checkpoint_gets_the_next(tmp_path, stores):
    service = Service(config(tmp_path))
    entry = admitted(service, 20, tmp_path)
    workload = service._workloads[0]
    ours, theirs = (shipper for shipper in workload.shippers)
    assert ours._ship(entry)
    ship(push(1, 10, attempt="hand"), checkpoint(tmp_path / "hand", 10), stores["west"])
    with pytest.raises(HeightTaken, match="holds step 10"):
        ship(entry.push, workload.spool.snapshot(entry), stores["west"])
    assert theirs._ship(entry)
    (renumbered,) = workload.spool.entries()
    assert ours._ship(renumbered)
    assert workload.role == "writer"
    newest = [each.log("gpt").view().in_order()[-1].what for each in stores.values()]
    assert [str(what.id()) for what in newest] == ["1.2", "1.2"]
    assert newest[0].root == newest[1].root


def test_a_spool_whose_memory_cannot_be_read_is_trouble_and_no_end(tmp_path, stores):
    service = Service(config(tmp_path))
    admitted(service, 10, tmp_path)
    (tmp_path / "east" / "spool" / "gpt" / "memory.json").write_text("{")
    service.look()
    assert "memory.json cannot be read" in str(service._workloads[0].trouble)
    with pytest.raises(ReplicatorError):
        service._workloads[0].spool.last_height(1)
