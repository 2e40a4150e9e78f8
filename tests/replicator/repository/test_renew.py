"""What no repair makes whole is stored anew from a peer that has it, under its name and its writer's signature."""

from __future__ import annotations

import pytest

from replicator.repository.repair import repair
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.stores.faults import FaultyStore
from tests.replicator.repository.damage import (
    everything,
    filled,
    filled_apart,
    filled_encrypted,
    manifest_of,
)
from tests.replicator.repository.rig import checkpoint, contents, push, repository

pytestmark = pytest.mark.usefixtures("small_packs")


@pytest.mark.parametrize("how", [filled_apart, filled_encrypted])
def test_a_checkpoint_whose_manifest_is_gone_is_stored_anew_from_a_peer_and_keeps_its_name_and_signature(tmp_path, how):
    here, peer = how(tmp_path, "here", "peer")
    before = here.log("gpt").view().in_order()
    lost = before[1]
    here.store.delete(manifest_of(lost))
    done = repair(here, [peer], "operator")
    assert (done.left, done.lost) == ({}, {})
    assert list(done.renewed) == [f"gpt {lost.what.id()}"]
    (now,) = [a for a in here.log("gpt").view().in_order() if a.what.id() == lost.what.id()]
    assert (now.what, now.signatures, now.slot, now.compacted) == (lost.what, lost.signatures, lost.slot, True)
    for accepted in here.log("gpt").view().in_order():
        restore(here, accepted, tmp_path / "out" / str(accepted.what.id()))
        assert contents(tmp_path / "out" / str(accepted.what.id())) == contents(tmp_path / f"ck-{accepted.what.height}")
    assert not here.receipts.damaged("gpt", lost.slot)
    assert repair(here, [peer], "operator", full=True).renewed == {}


def test_what_the_store_gives_back_wrong_is_never_stored_anew(tmp_path):
    here, peer = filled_apart(tmp_path, "here", "peer")
    lost = here.log("gpt").view().in_order()[1]
    here.store.delete(manifest_of(lost))
    there = set(everything(here))

    class Wrong:
        def before(self, verb, key): ...

        def after(self, verb, key): ...

        def filter(self, key, body):
            fresh = key.startswith(("packs/", "manifests/")) and key not in there
            return bytes(len(body)) if fresh else body

    lying = Repository("here", FaultyStore(here.store, Wrong()))
    done = repair(lying, [peer], "operator")
    assert list(done.lost) == [f"gpt {lost.what.id()}"]
    assert not here.log("gpt").view().replaced


def test_a_peers_checkpoint_of_the_same_name_and_other_contents_is_not_stored_here(tmp_path):
    (here,) = filled(tmp_path / "a", "here")
    (peer,) = filled_otherwise(tmp_path / "b")
    lost = here.log("gpt").view().in_order()[1]
    here.store.delete(manifest_of(lost))
    done = repair(here, [peer], "operator")
    assert "does not hold" in done.lost[f"gpt {lost.what.id()}"]


def filled_otherwise(folder):
    made = repository()
    for n in (1, 2, 3):
        ship(push(n, n, attempt=f"a{n}"), checkpoint(folder / f"ck-{n}", n, size=300_000, seed=9), made)
    return [made]


@pytest.mark.parametrize("why", ["pinned", "sealed", "another"])
def test_nothing_is_stored_anew_where_it_may_not_be(tmp_path, why):
    here, peer = filled_apart(tmp_path, "here", "peer")
    lost = here.log("gpt").view().in_order()[1]
    if why == "pinned":
        here.log("gpt").pin("release", lost.what.id(), reason="", term=1)
    elif why == "sealed":
        here.log("gpt").seal(1, reason="")
    else:
        (peer,) = filled(tmp_path / "other", "other", count=0)
    here.store.delete(manifest_of(lost))
    objects = len(everything(here))
    done = repair(here, [peer], "operator")
    assert list(done.lost) == [f"gpt {lost.what.id()}"]
    assert {"pinned": "pinned as release", "sealed": "term 1 is over", "another": "does not hold"}[why] in str(
        done.lost
    )
    assert len(done.left) == 1
    assert len(everything(here)) == objects, "nothing was written"
