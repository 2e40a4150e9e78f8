"""A push by hand: whole, as whom the log names, and never another checkpoint than the one given."""

from __future__ import annotations

import time

import pytest

from replicator.errors import NotOpen, Sealed
from replicator.log.entries import Open
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.repository.restore import restore
from replicator.repository.select import select
from replicator.repository.ship import ship
from replicator.service.once import push_once
from replicator.stores.url import make_folder, open_store
from tests.replicator.repository.rig import checkpoint, push


@pytest.fixture
def make(tmp_path):
    def made(environment=None):
        url = (tmp_path / "store").as_uri()
        make_folder(url)
        initialise(open_store(url), environment=environment, witness=None, clock=time.time, token=random_token)
        return Repository(url, open_store(url))

    return made


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "step-00000010"
    folder.mkdir()
    (folder / "w.bin").write_bytes(b"A" * 1000)
    return folder


def test_only_whom_the_open_term_names_pushes_by_hand_into_an_environments_repository(tmp_path, make, saved):
    there = make("e")
    with pytest.raises(NotOpen, match="has not opened it"):
        push_once(saved, [there], workload="gpt", step=10, writer="east")
    there.log("gpt").open(Open(term=2, writer="west"))
    with pytest.raises(NotOpen, match="west writes there, not east") as refused:
        push_once(saved, [there], workload="gpt", step=10, writer="east")
    assert "--writer west" in str(refused.value.hint)
    assert there.log("gpt").view().accepted == {}
    ship(push(1, 10, term=2), checkpoint(tmp_path / "c", 10), there)
    (said,) = push_once(saved, [there], workload="gpt", step=20, writer="west")
    assert said["commit"] == "2.2"
    there.log("gpt").seal(2, reason="promotion")
    with pytest.raises(Sealed, match="is sealed"):
        push_once(saved, [there], workload="gpt", step=30, writer="west")


def test_a_second_save_of_a_step_is_pushed_and_not_answered_with_the_first(tmp_path, make, saved, monkeypatch):
    monkeypatch.setenv("DRSTACK_ATTEMPT", "run7.0")
    there = make()
    push_once(saved, [there], workload="gpt", step=10, writer="east")
    (saved / "w.bin").write_bytes(b"B" * 1000)
    (said,) = push_once(saved, [there], workload="gpt", step=10, writer="east")
    assert not said["already"]
    restore(there, select(there, "gpt", said["commit"]), tmp_path / "back")
    assert (tmp_path / "back" / "w.bin").read_bytes() == b"B" * 1000
