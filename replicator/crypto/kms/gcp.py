"""Google Cloud KMS. The context travels as additional authenticated data; CRC32C is checked both ways, as Google asks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from replicator.errors import KeyLocked

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_S = 10.0
_POLYNOMIAL = 0x82F63B78


class Client(Protocol):
    """What is used of `google.cloud.kms.KeyManagementServiceClient`."""

    def encrypt(self, *, request: Mapping[str, Any], timeout: float) -> Any: ...

    def decrypt(self, *, request: Mapping[str, Any], timeout: float) -> Any: ...


class GcpKms:
    """The key of a resource name, `projects/…/cryptoKeys/…`."""

    def __init__(self, name: str, client: Client) -> None:
        self._name = name
        self._client = client

    def encrypt(self, secret: bytes, context: Mapping[str, str]) -> bytes:
        aad = _aad(context)
        answer = self._ask(
            "encrypt",
            plaintext=secret, plaintext_crc32c=crc32c(secret),
            additional_authenticated_data=aad, additional_authenticated_data_crc32c=crc32c(aad),
        )  # fmt: skip
        whole = answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c
        if not whole or crc32c(answer.ciphertext) != _number(answer.ciphertext_crc32c):
            raise KeyLocked(
                f"Google Cloud KMS: bytes were changed on the way to or from {self._name}", hint="Try again."
            )
        return bytes(answer.ciphertext)

    def decrypt(self, stored: bytes, context: Mapping[str, str]) -> bytes:
        aad = _aad(context)
        answer = self._ask(
            "decrypt",
            ciphertext=stored, ciphertext_crc32c=crc32c(stored),
            additional_authenticated_data=aad, additional_authenticated_data_crc32c=crc32c(aad),
        )  # fmt: skip
        if crc32c(answer.plaintext) != _number(answer.plaintext_crc32c):
            raise KeyLocked(f"Google Cloud KMS: bytes were changed on the way from {self._name}", hint="Try again.")
        return bytes(answer.plaintext)

    def _ask(self, verb: str, **request: Any) -> Any:
        try:
            return getattr(self._client, verb)(request={"name": self._name, **request}, timeout=_TIMEOUT_S)
        except _errors() as error:
            raise KeyLocked(f"Google Cloud KMS did not {verb} with {self._name}: {error}") from error


def client() -> Client:
    """A client with this machine's credentials. KeyLocked without the SDK."""
    try:
        sdk = import_module("google.cloud.kms")
    except ImportError as error:
        raise KeyLocked(
            "Google Cloud KMS needs google-cloud-kms, not installed here", hint="pip install google-cloud-kms"
        ) from error
    return cast("Client", sdk.KeyManagementServiceClient())


def crc32c(body: bytes) -> int:
    """CRC-32C (Castagnoli, RFC 3720, appendix B.4) of a few bytes."""
    crc = 0xFFFFFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _number(value: Any) -> int:
    """Protobuf wraps these in an Int64Value, or gives a number."""
    return int(getattr(value, "value", value))


def _aad(context: Mapping[str, str]) -> bytes:
    return "\n".join(f"{name}={value}" for name, value in sorted(context.items())).encode()


def _errors() -> tuple[type[Exception], ...]:
    """google-api-core's errors where the SDK is; a client that is handed in raises OSError or TimeoutError else."""
    try:
        found = import_module("google.api_core.exceptions")
    except ImportError:
        return (OSError,)
    return (OSError, found.GoogleAPIError)
