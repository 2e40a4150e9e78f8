"""What is asked of a KMS, and which one a URL names: `aws-kms:ARN` or `gcp-kms:projects/…/cryptoKeys/NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from replicator.errors import KeyLocked

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = ("aws-kms:", "gcp-kms:")


class Kms(Protocol):
    """Both raise KeyLocked where the service refuses, does not answer in time, or gives something else back."""

    def encrypt(self, secret: bytes, context: Mapping[str, str]) -> bytes: ...

    def decrypt(self, stored: bytes, context: Mapping[str, str]) -> bytes: ...


def kms_at(url: str) -> Kms:
    """The service that holds the key, opened with the credentials of this machine. KeyLocked for an unknown scheme."""
    scheme, _, key = url.partition(":")
    if scheme == "aws-kms" and key:
        from replicator.crypto.kms.aws import AwsKms, client_for  # noqa: PLC0415 - boto3 is an extra

        return AwsKms(key, client_for(key))
    if scheme == "gcp-kms" and key:
        from replicator.crypto.kms.gcp import GcpKms, client  # noqa: PLC0415 - the SDK is an extra

        return GcpKms(key, client())
    raise KeyLocked(
        f"{url!r} names no KMS key", hint="aws-kms:ARN or gcp-kms:projects/P/locations/L/keyRings/R/cryptoKeys/K"
    )
