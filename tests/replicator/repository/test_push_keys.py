"""Keys of pushes: stored for every recipient first, never two packs under one key and salt, gone with the push."""

from __future__ import annotations

import gc
import json

import pytest

from replicator.crypto import vault
from replicator.repository.progress import KeptProgress
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.stores.faults import FaultyStore
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.rig import Killed, checkpoint, contents, cut_every, push


@pytest.fixture
def family(tmp_path):
    return Family(tmp_path / "family")


class Order:
    """Notes the keys in the order of their creation; dies before the pack after so many."""

    def __init__(self, packs=10**9):
        self.keys, self.left = [], packs

    def before(self, verb, key):
        if verb == "create" and key.startswith("packs/"):
            self.left -= 1
            if self.left < 0:
                raise Killed

    def after(self, verb, key):
        if verb == "create":
            self.keys.append(key)

    def filter(self, key, body):
        return body


def pack_heads(store):
    """(key id, salt) of every pack, from its header."""
    heads = {}
    for key in store.list("packs"):
        stored = store.get(key)
        told = json.loads(stored[12 : 12 + int.from_bytes(stored[8:12], "big")])
        heads[key] = (told["key"], told["salt"])
    return heads


def test_a_push_s_key_is_stored_for_every_recipient_before_anything_that_needs_it(family, tmp_path):
    order = Order()
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), family.hand("writer", store=FaultyStore(family.store, order)))
    kinds = [key.split("/")[0] for key in order.keys]
    recipients = family.all().keys.trust.recipients()
    assert kinds[: len(recipients)] == ["keys"] * len(recipients)
    assert {key.split("/")[2] for key in order.keys[: len(recipients)]} == {each.name for each in recipients}
    assert {"packs", "manifests", "log"} <= set(kinds[len(recipients) :])


@pytest.mark.parametrize("sent", [1, 2, 3])
def test_a_push_begun_again_uses_no_key_and_salt_twice(family, tmp_path, monkeypatch, sent):
    cut_every(20_000, monkeypatch)
    snapshot, small = checkpoint(tmp_path / "a", 10), lambda: 90_000
    with pytest.raises(Killed):
        ship(
            push(1, 10), snapshot,
            family.hand("writer", store=FaultyStore(family.store, Order(sent)), memory="kept"),
            KeptProgress(tmp_path / "packs", small),
        )  # fmt: skip
    first = pack_heads(family.store)
    assert len(first) == sent
    accepted = ship(
        push(1, 10), snapshot, family.hand("writer", memory="kept"), KeptProgress(tmp_path / "packs", small)
    )
    every = pack_heads(family.store)
    assert {key: every[key] for key in first} == first, "what was there is taken along"
    assert len(every) > len(first)
    assert len(set(every.values())) == len(every)
    later = {each[0] for key, each in every.items() if key not in first}
    assert later.isdisjoint({each[0] for each in first.values()})
    restore(family.hand("operator"), accepted, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "a")


def test_no_key_of_a_push_outlives_it_in_the_writer_s_memory_or_on_its_disk(family, tmp_path):
    writer = family.hand("writer", memory="kept")
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), writer)
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, vault.PushKey)]
    reader = family.hand("operator")
    accepted = reader.log("gpt").view().in_order()[-1]
    secret = reader.cipher.secret(reader.manifest(accepted.where.manifest).encryption.key)
    kept = [path.read_bytes() for path in (family.folder / "kept").rglob("*") if path.is_file()]
    assert kept
    assert not [body for body in kept if secret in body or secret.hex().encode() in body]
