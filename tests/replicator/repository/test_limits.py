"""The limits that docs/format.md names: what is exactly at one passes, what is one over is refused."""

from __future__ import annotations

import base64
import json

import pytest
import zstandard

from replicator.crypto import vault
from replicator.crypto.keyfile import read_key
from replicator.crypto.trust import Revocation, checked, read_trust
from replicator.errors import DataCorrupt, KeyLocked, StoreError, Untrusted
from replicator.repository import manifest as manifests
from replicator.repository import packs
from replicator.repository.cipher import PlainPush
from replicator.repository.packs import PackWriter
from replicator.stores.cloud import memory_store
from replicator.stores.local import LocalStore
from replicator.stores.store import check_key
from tests.replicator.crypto.rig import founded, ring

GIB = 1 << 30


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_key_has_at_most_900_characters(kind, tmp_path):
    store = memory_store() if kind == "memory" else LocalStore(tmp_path)
    longest = "/".join(["p" * 99] * 9)
    assert len(longest) == 899
    for key in (longest, longest + "p"):
        store.create(key, b"x")
        assert store.get(key) == b"x"
    with pytest.raises(StoreError, match="is not a key"):
        store.create(longest + "pp", b"x")


@pytest.mark.parametrize("key", ["a", "9", "a.", "a_@-.b/0", "Z/z/9"])
def test_a_part_of_a_key_begins_with_a_letter_or_digit_and_goes_on_with_those_and_four_signs(key):
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key", ["", "/", "a/", "/a", "a//b", ".a", "a/.b", "-a", "_a", "@a", "a b", "é", "a\n", "a+b", "a:b"]
)
def test_whatever_else_a_key_has_is_refused(key):
    with pytest.raises(StoreError, match="is not a key"):
        check_key(key)


def test_a_header_of_an_encrypted_object_has_at_most_4096_bytes():
    for length, passes in ((4096, True), (4097, False)):
        told = b'{"a":"' + b"x" * (length - 8) + b'"}'
        stored = b"DRPACK2\n" + length.to_bytes(4, "big") + told
        assert len(told) == length
        if passes:
            assert vault.read_header(b"DRPACK2\n", stored)[1] == 12 + 4096
            continue
        with pytest.raises(DataCorrupt, match="longer than it may be"):
            vault.read_header(b"DRPACK2\n", stored)


def test_a_manifest_unpacks_to_at_most_a_gibibyte(monkeypatch):
    assert manifests._MAX_BYTES == GIB
    text = b'{"push":"00","files":[],"blocks":[],"packs":[]}'
    stored = zstandard.ZstdCompressor().compress(text)
    monkeypatch.setattr(manifests, "_MAX_BYTES", len(text))
    assert manifests.decode(stored, "m").files == ()
    monkeypatch.setattr(manifests, "_MAX_BYTES", len(text) - 1)
    with pytest.raises(DataCorrupt, match="it has more than"):
        manifests.decode(stored, "m")


@pytest.mark.parametrize(("over", "count"), [(0, 1), (1, 2)])
def test_a_pack_has_up_to_16_mebibytes_with_its_head(over, count):
    assert packs.PACK_BYTES == 16 << 20
    store = memory_store()
    half = (packs.PACK_BYTES - 28) // 2
    with PackWriter(store, PlainPush(b"s" * 16 + bytes(4))) as writer:
        writer.add("0" * 64, half, "raw", bytes(half))
        writer.add("1" * 64, half + over, "raw", bytes(half + over))
        made = writer.finish()
    assert [pack.size_bytes for pack in made] == ([packs.PACK_BYTES] if count == 1 else [half + 28, half + over + 28])


def test_a_block_larger_than_a_pack_has_one_for_itself():
    store = memory_store()
    with PackWriter(store, PlainPush(b"s" * 16 + bytes(4))) as writer:
        writer.add("0" * 64, packs.PACK_BYTES, "raw", bytes(packs.PACK_BYTES))
        assert [pack.size_bytes for pack in writer.finish()] == [packs.PACK_BYTES + 28]


def test_the_name_of_a_key_has_at_most_127_characters(tmp_path):
    told = json.loads((founded(tmp_path / "k") / "trust.json").read_text())
    for name, passes in (("a" * 127, True), ("a" * 128, False), ("é", False), ("-a", False), ("a._@-", True)):
        told["keys"][0]["name"] = name
        if passes:
            assert checked(told).keys[0].name == name
            continue
        with pytest.raises(Untrusted, match=r"keys\.0\.name"):
            checked(told)


def test_two_recipients_are_enough_and_one_is_not(tmp_path):
    trust = read_trust(founded(tmp_path / "k"))
    assert len(trust.recipients()) == 2
    with pytest.raises(Untrusted, match="fewer than 2"):
        trust.with_key(trust.key("escrow").model_copy(update={"revoked": Revocation(at=1.0, reason="lost")}))


def protected(folder, **scrypt):
    """A key file whose passphrase is stretched so."""
    path = folder / "operator.key"
    told = json.loads(path.read_text())
    salt = base64.b64encode(bytes(16)).decode()
    how = {"kind": "scrypt", "n": 1 << 14, "r": 8, "p": 1, "salt": salt, "nonce": salt[:16], **scrypt}
    path.write_text(json.dumps({**told, "protection": how}))


@pytest.mark.parametrize(
    ("at", "over"),
    [
        ({"n": 1 << 20, "r": 8}, {"n": 1 << 20, "r": 9}),
        ({"n": 1 << 21, "r": 4}, {"n": 1 << 21, "r": 5}),
        ({"n": 1 << 18, "r": 32}, {"n": 1 << 19, "r": 32}),
        ({"n": 1 << 21, "r": 1}, {"n": 1 << 22, "r": 1}),
        ({"n": 1 << 14}, {"n": 1 << 13}),
        ({"r": 32}, {"r": 33}),
        ({"r": 1}, {"r": 0}),
        ({"p": 16}, {"p": 17}),
        ({"p": 1}, {"p": 0}),
    ],
)
def test_a_key_file_that_asks_for_more_memory_or_work_than_is_allowed_is_refused_before_a_passphrase_is(
    tmp_path, at, over
):
    folder = founded(tmp_path / "k")
    protected(folder, **at)
    assert read_key(folder, "operator").protection.kind == "scrypt"
    protected(folder, **over)
    with pytest.raises(KeyLocked, match=r"operator\.key: protection"):
        ring(folder, b"secret").seed("operator")


def test_what_scrypt_itself_refuses_names_the_key(tmp_path):
    folder = founded(tmp_path / "k")
    protected(folder, n=(1 << 14) + 1)
    with pytest.raises(KeyLocked, match="key operator: its file is damaged"):
        ring(folder, b"secret").seed("operator")
