"""S3 calls that obstore lacks, through boto3 (extra `s3-lock`): locks, versions, storage classes, requests to restore.

Every call has a timeout. Invariant: what the store refuses, what is not there, and what nobody answered are three errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from replicator.errors import Denied, KeyMissing, LockRefused, NotLocked, StoreError, StoreUnavailable
from replicator.stores.address import VENDORS, bucket_address, without_secrets

if TYPE_CHECKING:
    from replicator.stores.address import BucketAddress

CONNECT_S, ANSWER_S, TRIES = 10, 60, 4
_GONE = ("NoSuchKey", "404", "NoSuchVersion", "MethodNotAllowed", "405")
_UNLOCKED = ("NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError")
_DENIED = ("AccessDenied", "403", "AllAccessDisabled", "Forbidden", "UnauthorizedAccess")
_AWAY = ("5", "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout")


class S3Control:
    """Of one bucket. Credentials as the AWS SDKs find them. For any thread."""

    def __init__(self, address: BucketAddress) -> None:
        try:
            import boto3  # noqa: PLC0415 - of an extra
            from botocore.config import Config  # noqa: PLC0415
        except ImportError as error:
            raise LockRefused(
                "locking objects needs boto3, not installed here", hint="pip install 'drstack[s3-lock]'"
            ) from error
        self.address = address
        self._client: Any = cast("Any", boto3).Session().client(
            "s3", region_name=address.region or None, endpoint_url=address.endpoint or None,
            config=Config(
                connect_timeout=CONNECT_S, read_timeout=ANSWER_S, retries={"max_attempts": TRIES, "mode": "standard"},
                s3={"addressing_style": "path" if address.endpoint else "auto"},
            ),
        )  # fmt: skip

    def key(self, key: str) -> str:
        return f"{self.address.prefix}/{key}" if self.address.prefix else key

    def where(self, key: str | None) -> str:
        bucket = f"s3://{self.address.bucket}"
        return bucket if key is None else f"{bucket}/{self.key(key)}"

    def ask(self, verb: str, key: str | None, **given: Any) -> dict[str, Any]:
        """A call on an object, or with None on the bucket. KeyMissing, NotLocked, Denied, LockRefused, StoreUnavailable."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        named = {"Bucket": self.address.bucket} | ({} if key is None else {"Key": self.key(key)})
        try:
            return getattr(self._client, verb)(**named, **given)
        except ClientError as error:
            code = str(cast("Any", error).response.get("Error", {}).get("Code", ""))
            raise self._told(code, key, error) from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"{self.where(key)}: {error}") from error

    def mode_of(self, key: str, version: str) -> str | None:
        """The mode of the lock that a version was put under, though it may be over; None if it never had one.

        Denied where nobody here may see it; KeyMissing.
        """
        shown = self.ask("head_object", key, VersionId=version).get("ObjectLockMode")
        if shown:
            return str(shown)
        try:  # HEAD shows no lock, or shows it to nobody here: this call tells which
            return self.ask("get_object_retention", key, VersionId=version).get("Retention", {}).get("Mode")
        except NotLocked:
            return None

    def versions(self, prefix: str) -> list[dict[str, Any]]:
        """Every version (no delete marker) of the keys that begin so, oldest first for each key, as the store orders them."""
        found: list[dict[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            page = self.ask("list_object_versions", None, Prefix=self.key(prefix), **more)
            found += page.get("Versions", [])
            if not page.get("IsTruncated"):
                return found[::-1]
            more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def _told(self, code: str, key: str | None, error: Exception) -> StoreError | LockRefused:
        if code in _UNLOCKED:
            return NotLocked(f"{self.where(key)} has no object lock")
        if code in _GONE and key is not None:
            return KeyMissing(f"{self.where(key)} is not there, or was deleted")
        if code.startswith(_AWAY):
            return StoreUnavailable(f"{self.where(key)}: {error}")
        if code in _DENIED:
            return Denied(f"{self.where(key)}: {error}")
        return LockRefused(f"{self.where(key)}: {error}")


def s3_control(url: str) -> S3Control:
    """LockRefused where stores of this kind have no object lock that is known here."""
    if VENDORS.get(urlsplit(url).scheme) != "s3":
        raise LockRefused(
            f"{without_secrets(url)}: only buckets of S3 and of what speaks its language are locked",
            hint="Set a retention policy on the bucket itself: gcloud storage buckets update, or az storage container.",
        )
    return S3Control(bucket_address(url))
