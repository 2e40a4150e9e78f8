"""The bytes that stored objects begin with and are made of, as literals: a constant that changes makes old ones unreadable."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drstack.recovery.plan import digest_of
from replicator.crypto import vault
from replicator.crypto.keyfile import make_key, write_key
from replicator.crypto.protection import Unlocking
from replicator.crypto.sheet import to_lines
from replicator.crypto.statements import pae
from replicator.crypto.suites import suite_named
from replicator.log.records import canonical, seal_envelope
from replicator.log.slots import slot_key
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.ship import ship
from tests.replicator.crypto.rig import Family, NoKms
from tests.replicator.log.builders import what
from tests.replicator.repository.rig import checkpoint, push, repository

HYBRID = b'"suite":"drstack-hybrid-1"'


def pack_of(there, accepted):
    return there.store.get(pack_key(accepted.where.packs[0].digest))


@pytest.fixture
def family(tmp_path):
    return Family(tmp_path / "family")


def encrypted_header(stored: bytes) -> dict[str, object]:
    """Magic, length in 4 bytes, canonical JSON: taken apart by hand."""
    assert stored[8:10] == b"\0\0"
    return json.loads(stored[12 : 12 + stored[10] * 256 + stored[11]])


def test_a_plain_pack_begins_with_its_magic_the_pushs_salt_and_the_rank(tmp_path):
    there = repository()
    accepted = ship(push(1, 10, salt=bytes(range(16))), checkpoint(tmp_path / "ck", 10), there)
    assert pack_of(there, accepted)[:28] == b"DRPACK1\n" + bytes(range(16)) + b"\0\0\0\0"


def test_a_ranks_pack_says_its_rank_in_four_bytes_big_endian(tmp_path):
    there = repository()
    ship(push(1, 10, rank=258, world=300), checkpoint(tmp_path / "ck", 10), there)
    (key,) = there.store.list("packs")
    assert there.store.get(key)[:28] == b"DRPACK1\n" + b"s" * 16 + b"\0\0\1\2"


def test_a_plain_manifest_is_a_zstandard_frame_of_canonical_json(tmp_path):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "ck", 10), there)
    stored = there.store.get(manifest_key(accepted.where.manifest.digest))
    assert stored[:4] == b"\x28\xb5\x2f\xfd"
    text = zstandard.ZstdDecompressor().decompress(stored)
    assert text.startswith(b'{"blocks":[[')
    assert b'"format":1,"notes":[],"packs":[{"digest":"' in text


def test_encrypted_packs_and_manifests_begin_with_their_magic_and_a_header_of_what_they_are_bound_to(family, tmp_path):
    there = family.hand("writer")
    accepted = ship(push(1, 10), checkpoint(tmp_path / "ck", 10), there)
    for stored, magic in (
        (pack_of(there, accepted), b"DRPACK2\n"),
        (there.store.get(manifest_key(accepted.where.manifest.digest)), b"DRMANI2\n"),
    ):
        assert stored[:8] == magic
        told = encrypted_header(stored)
        assert {**told, "key": "", "salt": ""} == {
            "suite": "drstack-hybrid-1", "environment": "family-1", "workload": "gpt", "key": "", "salt": "",
        }  # fmt: skip
        assert (len(told["key"]), len(told["salt"])) == (32, 64)


def test_a_record_is_an_envelope_of_this_type_and_these_fields(family):
    store = repository().store
    outer = json.loads(store.get("log/gpt/00000000000000000001"))
    assert outer["payloadType"] == "application/vnd.drstack.record+json"
    assert seal_envelope({"b": 1.0, "a": "é"}) == (
        b'{"payload":"eyJhIjoiw6kiLCJiIjoxLjB9","payloadType":"application/vnd.drstack.record+json","signatures":[]}'
    )
    payload = base64.b64decode(outer["payload"])
    assert sorted(json.loads(payload)) == ["at", "attempt", "body", "kind", "log", "n", "previous"]
    assert slot_key("log/gpt", 7) == "log/gpt/00000000000000000007"
    signed = json.loads(family.store.get("log/gpt/00000000000000000001"))
    assert [each["keyid"] for each in signed["signatures"]] == ["promoter#ed25519", "promoter#ml-dsa-65"]
    assert HYBRID in base64.b64decode(signed["payload"])
    assert canonical({"é": 1e16, "a": [1, None, True]}) == '{"a":[1,null,true],"é":1e+16}'.encode()


def test_what_is_signed_are_these_bytes(family):
    assert pae("application/x", b"{}") == b"DSSEv1 13 application/x 2 {}"
    said = family.all().notary._said
    assert said(what(1, 1)).startswith(
        b'DSSEv1 33 application/vnd.drstack.what+json 231 {"environment":"family-1","suite":"drstack-hybrid-1","what":{'
    )


def test_a_wrapped_key_is_bound_to_these_words(family):

    suite = suite_named("drstack-hybrid-1")
    assert vault.wrapping_info(suite, "env", "k", "operator") == (
        b'{"environment":"env","key":"k","recipient":"operator","suite":"drstack-hybrid-1"}'
    )
    bound = vault.Bound(suite, "env", "gpt")
    assert vault.block_context(bound, "ab", "zstd", 7) == (
        b'{"block":"ab","coder":"zstd","environment":"env","size_bytes":7,"suite":"drstack-hybrid-1","workload":"gpt"}'
    )
    assert suite.derive(b"k" * 32, b"salt", "pack").hex() == (
        "a492a26ace1637fd657d74e86ccb752f03e3955e397352763f5273aacff66fef"  # HKDF-SHA512, by another program
    )
    assert vault.PushKey.of(suite, b"k" * 32).id == "a91548eea5421f9ce4b891ff650b8319"


def test_a_protected_seed_is_bound_to_these_lines(tmp_path):
    """Opened by another hand than the product's: the passphrase stretched as its file says, these lines beside the seed."""
    seed = bytes(range(32))
    how = Unlocking(passphrase=lambda _: b"a passphrase", kms=lambda _: NoKms())
    made, _ = make_key(
        "ann", ("recipient",), scope="f", suite="drstack-hybrid-1", seed=seed, how=b"a passphrase", unlocking=how
    )
    told = json.loads(write_key(tmp_path, made).read_text())
    kept = told["protection"]
    stretched = hashlib.scrypt(
        b"a passphrase",
        salt=base64.b64decode(kept["salt"]),
        n=kept["n"],
        r=kept["r"],
        p=kept["p"],
        dklen=32,
        maxmem=2**28,
    )
    lines = b"drstack-key=ann\ndrstack-scope=f\ndrstack-suite=drstack-hybrid-1"
    opened = AESGCM(stretched).decrypt(base64.b64decode(kept["nonce"]), base64.b64decode(told["secret"]), lines)
    assert opened == seed


def test_a_recovery_sheet_holds_these_lines():
    """Written by another program from the page: Crockford's base 32 of 8 bytes and 2 of BLAKE3."""
    assert to_lines(bytes(range(32))) == (
        "000G 40R4 0M30 FBVY", "104G M2RC 1M70 YAQZ", "208H 44RM 2MB1 EVDC", "30CH M6RW 3MF1 ZR6E",
    )  # fmt: skip


def test_a_plan_s_digest_is_of_these_bytes():
    told = {
        "environment": "e", "target": "west", "base": 1, "fence": ["east"], "capacity": 2, "consents": [["data-loss", "60"]],
        "steps": [], "alone": False, "kind": "promote", "notices": [], "reason": "r", "stops": [], "hash": "left out",
        "workloads": [{"name": "gpt", "step": 10, "loss_s": 1.5, "why": "the newest", "other": None}],
    }  # fmt: skip
    body = (
        b'{"alone":false,"base":1,"capacity":2,"consents":[["data-loss","60"]],"environment":"e","fence":["east"],'
        b'"kind":"promote","notices":[],"reason":"r","steps":[],"stops":[],"target":"west",'
        b'"workloads":[{"name":"gpt","step":10}]}'
    )
    assert digest_of(told) == blake3(body).hexdigest()
