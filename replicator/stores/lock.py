"""Object lock: a store that keeps an object until a time, whoever asks to delete it. S3 through boto3 (extra `s3-lock`).

obstore knows no object lock. Invariant: a lock is never made shorter, and one that the store did not confirm is an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from replicator.errors import LockRefused
from replicator.stores.s3_control import s3_control

if TYPE_CHECKING:
    from replicator.stores.s3_control import S3Control

Mode = Literal["governance", "compliance"]


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
    return S3Locks(s3_control(url))


class S3Locks:
    """Credentials as the AWS SDKs find them."""

    def __init__(self, control: S3Control) -> None:
        self._control = control

    def require(self) -> None:
        self._control.ask("get_object_lock_configuration", None)

    def until(self, key: str) -> float | None:
        """By HEAD, which every server answers; it shows the lock to who may read it (`s3:GetObjectRetention`)."""
        at: datetime | None = self._control.ask("head_object", key).get("ObjectLockRetainUntilDate")
        return at.timestamp() if at is not None else None

    def lock(self, key: str, until: float, mode: Mode) -> None:
        held = self.until(key)
        if held is not None and held >= until:
            return
        retention = {"Mode": mode.upper(), "RetainUntilDate": datetime.fromtimestamp(until, tz=UTC)}
        self._control.ask("put_object_retention", key, Retention=retention)
        confirmed = self.until(key)
        if confirmed is None or confirmed < until - 1:
            raise LockRefused(
                f"{self._control.where(key)}: the store took the lock and does not show it",
                hint="Allow s3:GetObjectRetention to whoever locks.",
            )
