"""Object lock: a store that keeps an object until a time, whoever asks to delete it. S3 through boto3 (extra `s3-lock`).

obstore knows no object lock. Invariant: a lock is never made shorter, and one that the store did not confirm is an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast
from urllib.parse import urlsplit

from replicator.errors import KeyMissing, LockRefused, StoreError, StoreUnavailable
from replicator.stores.address import VENDORS, bucket_address, without_secrets

if TYPE_CHECKING:
    from replicator.stores.address import BucketAddress

Mode = Literal["governance", "compliance"]
CONNECT_S, ANSWER_S, TRIES = 10, 60, 4
_GONE = ("NoSuchKey", "404", "NoSuchVersion", "MethodNotAllowed")
_UNLOCKED = ("NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError")


class ObjectLocks(Protocol):
    """Locks of the objects of one repository."""

    def require(self) -> None:
        """LockRefused where the store cannot lock: that is said before anything is locked."""
        ...

    def until(self, key: str) -> float | None:
        """Until when (unix seconds) an object is locked; None if it is not. KeyMissing, StoreUnavailable."""
        ...

    def lock(self, key: str, until: float, mode: Mode) -> None:
        """Lock it until then, unless it is locked for longer. KeyMissing, LockRefused, StoreUnavailable."""
        ...


def open_locks(url: str) -> ObjectLocks:
    """LockRefused where stores of this kind have no object lock that is known here."""
    if VENDORS.get(urlsplit(url).scheme) != "s3":
        raise LockRefused(
            f"{without_secrets(url)}: only buckets of S3 and of what speaks its language are locked",
            hint="Set a retention policy on the bucket itself: gcloud storage buckets update, or az storage container.",
        )
    return S3Locks(bucket_address(url))


class S3Locks:
    """Credentials as the AWS SDKs find them."""

    def __init__(self, address: BucketAddress) -> None:
        try:
            import boto3  # noqa: PLC0415 - of an extra
            from botocore.config import Config  # noqa: PLC0415
        except ImportError as error:
            raise LockRefused(
                "locking objects needs boto3, not installed here", hint="pip install 'drstack[s3-lock]'"
            ) from error
        self._address = address
        self._client: Any = cast("Any", boto3).client(
            "s3", region_name=address.region or None, endpoint_url=address.endpoint or None,
            config=Config(
                connect_timeout=CONNECT_S, read_timeout=ANSWER_S, retries={"max_attempts": TRIES, "mode": "standard"},
                s3={"addressing_style": "path" if address.endpoint else "auto"},
            ),
        )  # fmt: skip

    def require(self) -> None:
        self._ask("get_object_lock_configuration", None, Bucket=self._address.bucket)

    def until(self, key: str) -> float | None:
        """By HEAD, which every server answers; it shows the lock to who may read it (`s3:GetObjectRetention`)."""
        found = self._ask("head_object", key, Bucket=self._address.bucket, Key=self._key(key))
        at: datetime | None = found.get("ObjectLockRetainUntilDate")
        return at.timestamp() if at is not None else None

    def lock(self, key: str, until: float, mode: Mode) -> None:
        held = self.until(key)
        if held is not None and held >= until:
            return
        retention = {"Mode": mode.upper(), "RetainUntilDate": datetime.fromtimestamp(until, tz=UTC)}
        self._ask("put_object_retention", key, Bucket=self._address.bucket, Key=self._key(key), Retention=retention)
        confirmed = self.until(key)
        if confirmed is None or confirmed < until - 1:
            raise LockRefused(
                f"{self._where(key)}: the store took the lock and does not show it",
                hint="Allow s3:GetObjectRetention to whoever locks.",
            )

    def _key(self, key: str) -> str:
        return f"{self._address.prefix}/{key}" if self._address.prefix else key

    def _where(self, key: str | None) -> str:
        bucket = f"s3://{self._address.bucket}"
        return bucket if key is None else f"{bucket}/{self._key(key)}"

    def _ask(self, verb: str, key: str | None, **given: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            return getattr(self._client, verb)(**given)
        except ClientError as error:
            code = str(cast("Any", error).response.get("Error", {}).get("Code", ""))
            raise self._told(code, key, error) from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"{self._where(key)}: {error}") from error

    def _told(self, code: str, key: str | None, error: Exception) -> StoreError | LockRefused:
        if key is None and code in _UNLOCKED:
            return LockRefused(f"{self._where(None)} has no object lock")
        if code in _GONE:
            return KeyMissing(f"{self._where(key)} is not there, or was deleted")
        if code.startswith(("5", "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout")):
            return StoreUnavailable(f"{self._where(key)}: {error}")
        return LockRefused(f"{self._where(key)}: {error}")
