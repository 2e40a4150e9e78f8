"""How a seed lies in its key file: as it is, under a passphrase, or wrapped by a KMS. It is bound to what it is for.

`context` names the key and its public halves: a protected seed that is moved to another file is refused.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from replicator.errors import KeyLocked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.crypto.kms import Kms

_N, _R, _P = 1 << 16, 8, 1
_MAX_N = 1 << 21
_MAX_BYTES = 1 << 30


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bare(_Frozen):
    kind: Literal["none"] = "none"


class Passphrase(_Frozen):
    """scrypt (RFC 7914) and AES-256-GCM. 64 MiB of memory and about a quarter of a second for each guess."""

    kind: Literal["scrypt"] = "scrypt"
    n: int = Field(default=_N, ge=1 << 14, le=_MAX_N)
    r: int = Field(default=_R, ge=1, le=32)
    p: int = Field(default=_P, ge=1, le=16)
    salt: str
    nonce: str

    @model_validator(mode="after")
    def _takes_no_more_than_a_gigabyte(self) -> Passphrase:
        if 128 * self.n * self.r > _MAX_BYTES:
            raise ValueError(f"n {self.n} and r {self.r} would take more than {_MAX_BYTES} bytes of memory")
        return self


class Wrapped(_Frozen):
    """Encrypted by a KMS; `key` is its URL: `aws-kms:ARN` or `gcp-kms:projects/…`."""

    kind: Literal["kms"] = "kms"
    key: str


Protection = Annotated[Bare | Passphrase | Wrapped, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Unlocking:
    """Where the secrets come from that open key files: asked only when a file needs them."""

    passphrase: Callable[[str], bytes]
    """Gets the key's name; KeyLocked where there is none."""
    kms: Callable[[str], Kms]


def protect(
    seed: bytes, context: Mapping[str, str], how: bytes | str | None, unlocking: Unlocking
) -> tuple[Protection, str]:
    """(protection, what is stored). `how`: a passphrase, a KMS key's URL, or None for neither."""
    if how is None:
        return Bare(), _text(seed)
    if isinstance(how, str):
        return Wrapped(key=how), _text(unlocking.kms(how).encrypt(seed, context))
    if not how:
        raise KeyLocked("the passphrase is empty")
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    made = Passphrase(salt=_text(salt), nonce=_text(nonce))
    return made, _text(AESGCM(_stretched(how, made)).encrypt(nonce, seed, _bytes_of(context)))


def expose(protection: Protection, stored: str, context: Mapping[str, str], unlocking: Unlocking, name: str) -> bytes:
    """The seed. KeyLocked if the passphrase is another, the KMS refuses, or the file was changed."""
    try:
        body = base64.b64decode(stored, validate=True)
        if isinstance(protection, Passphrase):
            key = _stretched(unlocking.passphrase(name), protection)
            return AESGCM(key).decrypt(base64.b64decode(protection.nonce, validate=True), body, _bytes_of(context))
    except InvalidTag as error:
        raise KeyLocked(f"key {name}: this is not its passphrase, or its file was changed") from error
    except (binascii.Error, ValueError) as error:
        raise KeyLocked(f"key {name}: its file is damaged: {error}") from error
    if isinstance(protection, Wrapped):
        return unlocking.kms(protection.key).decrypt(body, context)
    return body


def _stretched(passphrase: bytes, how: Passphrase) -> bytes:
    salt = base64.b64decode(how.salt, validate=True)
    return Scrypt(salt=salt, length=32, n=how.n, r=how.r, p=how.p).derive(passphrase)


def _bytes_of(context: Mapping[str, str]) -> bytes:
    return "\n".join(f"{name}={value}" for name, value in sorted(context.items())).encode()


def _text(body: bytes) -> str:
    return base64.b64encode(body).decode()
