"""`drstack-hybrid-1`: safe while either the classical or the post-quantum half of each pair is.

Wrapping: HPKE base mode with MLKEM768_X25519, HKDF-SHA256, AES-256-GCM. Signatures: Ed25519 and ML-DSA-65 over the same
bytes, both required; ML-DSA takes the suite's name as its context. Data: AES-256-GCM under keys from HKDF-SHA512.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from replicator.crypto.suites.suite import SECRET_BYTES, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = "drstack-hybrid-1"
_CONTEXT = _NAME.encode()
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HPKE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class Hybrid1:
    name = _NAME
    rank = 10
    overhead_bytes = _TAG_BYTES

    @property
    def algorithms(self) -> Mapping[str, int]:
        return {"ed25519": 32, "ml-dsa-65": 1952, "ml-kem-768": 1184, "x25519": 32}

    def public(self, seed: bytes) -> dict[str, bytes]:
        return {
            "ed25519": _ed25519(seed).public_key().public_bytes_raw(),
            "ml-dsa-65": _mldsa(seed).public_key().public_bytes_raw(),
            "ml-kem-768": _mlkem(seed).public_key().public_bytes_raw(),
            "x25519": _x25519(seed).public_key().public_bytes_raw(),
        }

    def sign(self, seed: bytes, message: bytes) -> dict[str, bytes]:
        return {"ed25519": _ed25519(seed).sign(message), "ml-dsa-65": _mldsa(seed).sign(message, _CONTEXT)}

    def verify(self, public: Mapping[str, bytes], message: bytes, signatures: Mapping[str, bytes]) -> bool:
        if set(signatures) != {"ed25519", "ml-dsa-65"}:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public["ed25519"]).verify(signatures["ed25519"], message)
            MLDSA65PublicKey.from_public_bytes(public["ml-dsa-65"]).verify(signatures["ml-dsa-65"], message, _CONTEXT)
        except InvalidSignature:
            return False
        return True

    def wrap(self, public: Mapping[str, bytes], secret: bytes, info: bytes) -> bytes:
        kem = MLKEM768PublicKey.from_public_bytes(public["ml-kem-768"])
        ecdh = X25519PublicKey.from_public_bytes(public["x25519"])
        return _HPKE.encrypt(secret, hpke.MLKEM768X25519PublicKey(kem, ecdh), info)

    def unwrap(self, seed: bytes, wrapped: bytes, info: bytes) -> bytes:
        try:
            return _HPKE.decrypt(wrapped, hpke.MLKEM768X25519PrivateKey(_mlkem(seed), _x25519(seed)), info)
        except (InvalidTag, ValueError) as error:
            raise Refused("it was not wrapped to this key, or was changed") from error

    def derive(self, secret: bytes, salt: bytes, label: str) -> bytes:
        return _derive(secret, salt, label, SECRET_BYTES)

    def encrypt(self, key: bytes, counter: int, plain: bytes, aad: bytes) -> bytes:
        return AESGCM(key).encrypt(counter.to_bytes(_NONCE_BYTES, "big"), plain, aad)

    def decrypt(self, key: bytes, counter: int, stored: bytes, aad: bytes) -> bytes:
        try:
            return AESGCM(key).decrypt(counter.to_bytes(_NONCE_BYTES, "big"), stored, aad)
        except InvalidTag as error:
            raise Refused("it was changed, or belongs elsewhere") from error


def _derive(secret: bytes, salt: bytes, label: str, length: int) -> bytes:
    info = f"{_NAME} {label}".encode()
    return HKDF(algorithm=hashes.SHA512(), length=length, salt=salt or None, info=info).derive(secret)


@lru_cache(maxsize=16)
def _ed25519(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_derive(seed, b"", "ed25519", 32))


@lru_cache(maxsize=16)
def _mldsa(seed: bytes) -> MLDSA65PrivateKey:
    return MLDSA65PrivateKey.from_seed_bytes(_derive(seed, b"", "ml-dsa-65", 32))


@lru_cache(maxsize=16)
def _mlkem(seed: bytes) -> MLKEM768PrivateKey:
    return MLKEM768PrivateKey.from_seed_bytes(_derive(seed, b"", "ml-kem-768", 64))


@lru_cache(maxsize=16)
def _x25519(seed: bytes) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(_derive(seed, b"", "x25519", 32))
