"""AWS KMS. The context travels as the encryption context: a grant may demand it, and CloudTrail shows it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from replicator.errors import KeyLocked

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECT_S = 5
_READ_S = 10
_ATTEMPTS = 3


class Client(Protocol):
    """What is used of boto3's KMS client."""

    def encrypt(self, **request: Any) -> Mapping[str, Any]: ...

    def decrypt(self, **request: Any) -> Mapping[str, Any]: ...


class AwsKms:
    """The key of an ARN, through a client of its region."""

    def __init__(self, arn: str, client: Client) -> None:
        self._arn = arn
        self._client = client

    def encrypt(self, secret: bytes, context: Mapping[str, str]) -> bytes:
        return self._ask("encrypt", "CiphertextBlob", Plaintext=secret, EncryptionContext=dict(context))

    def decrypt(self, stored: bytes, context: Mapping[str, str]) -> bytes:
        return self._ask("decrypt", "Plaintext", CiphertextBlob=stored, EncryptionContext=dict(context))

    def _ask(self, verb: str, wanted: str, **request: Any) -> bytes:
        try:
            answer = getattr(self._client, verb)(KeyId=self._arn, **request)
            return bytes(answer[wanted])
        except _errors() as error:
            raise KeyLocked(f"AWS KMS did not {verb} with {self._arn}: {error}") from error
        except (KeyError, TypeError) as error:
            raise KeyLocked(f"AWS KMS answered a {verb} with {self._arn} without {wanted}") from error


def client_for(arn: str) -> Client:
    """A client of the key's region. KeyLocked without boto3, or where the ARN names no region."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn" or parts[2] != "kms" or not parts[3]:  # noqa: PLR2004 - fields of an ARN
        raise KeyLocked(f"{arn!r} is no ARN of a KMS key", hint="arn:aws:kms:REGION:ACCOUNT:key/ID")
    try:
        boto3, config = import_module("boto3"), import_module("botocore.config")
    except ImportError as error:
        raise KeyLocked("AWS KMS needs boto3, not installed here", hint="pip install boto3") from error
    limits = config.Config(
        connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}
    )
    return cast("Client", boto3.client("kms", region_name=parts[3], config=limits))


def _errors() -> tuple[type[Exception], ...]:
    found = import_module("botocore.exceptions")
    return (found.BotoCoreError, found.ClientError)
