"""Both halves of `drstack-hybrid-1` count: HPKE is done here a second time, so that each half can be taken out.

X-Wing (draft-connolly-cfrg-xwing-kem) and the key schedule of RFC 9180, base mode.
"""

from __future__ import annotations

import hashlib
import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from replicator.crypto.suites import DEFAULT, suite_named
from replicator.crypto.suites.hybrid1 import _mlkem, _x25519

SEED, INFO, SECRET = b"a" * 32, b"here", b"s" * 32
_KEM_BYTES, _ECDH_BYTES = 1088, 32
_XWING = b"\\.//^\\"
_SUITE = b"HPKE" + (0x647A).to_bytes(2, "big") + (1).to_bytes(2, "big") + (2).to_bytes(2, "big")
"""X-Wing, HKDF-SHA256, AES-256-GCM."""


def extracted(salt: bytes, label: bytes, material: bytes) -> bytes:
    made = hmac.HMAC(salt or bytes(32), hashes.SHA256())
    made.update(b"HPKE-v1" + _SUITE + label + material)
    return made.finalize()


def expanded(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    told = length.to_bytes(2, "big") + b"HPKE-v1" + _SUITE + label + context
    return HKDFExpand(hashes.SHA256(), length, told).derive(secret)


def opened(wrapped: bytes, *, kem: bytes | None = None, ecdh: bytes | None = None) -> bytes:
    """What was wrapped to SEED, as who knows its secrets opens it; `kem`, `ecdh`: a guess instead of that half's."""
    sent, point = wrapped[:_KEM_BYTES], wrapped[_KEM_BYTES : _KEM_BYTES + _ECDH_BYTES]
    one = _mlkem(SEED).decapsulate(sent) if kem is None else kem
    other = _x25519(SEED).exchange(X25519PublicKey.from_public_bytes(point)) if ecdh is None else ecdh
    ours = suite_named(DEFAULT).public(SEED)["x25519"]
    shared = hashlib.sha3_256(one + other + point + ours + _XWING).digest()
    context = b"\0" + extracted(b"", b"psk_id_hash", b"") + extracted(b"", b"info_hash", INFO)
    secret = extracted(shared, b"secret", b"")
    key, nonce = expanded(secret, b"key", context, 32), expanded(secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, wrapped[_KEM_BYTES + _ECDH_BYTES :], None)


def test_who_broke_one_half_of_the_wrapping_opens_nothing():
    suite = suite_named(DEFAULT)
    wrapped = suite.wrap(suite.public(SEED), SECRET, INFO)
    assert opened(wrapped) == SECRET
    for guess in ({"kem": os.urandom(32)}, {"ecdh": os.urandom(32)}, {"kem": bytes(32)}, {"ecdh": bytes(32)}):
        with pytest.raises(InvalidTag):
            opened(wrapped, **guess)
