"""S3 and memory through obstore, translated to the store contract.

Every request has a timeout. A create whose answer was lost is OutcomeUnknown; obstore's own retries may turn
such a create into "exists", which `replicator.log.claim` reads back like any other.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import MemoryStore, S3Store

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError, StoreUnavailable
from replicator.stores.store import check_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_EXISTS = (AlreadyExistsError, PreconditionError, FileExistsError)
_REFUSED = (PermissionDeniedError, UnauthenticatedError, PermissionError)


class CloudStore:
    """An obstore store under the contract of `ObjectStore`."""

    def __init__(self, store: S3Store | MemoryStore, url: str) -> None:
        self._store = store
        self._url = url

    @property
    def url(self) -> str:
        return self._url

    def create(self, key: str, body: bytes) -> None:
        try:
            obstore.put(self._store, check_key(key), bytes(body), mode="create", use_multipart=False)
        except _EXISTS as error:
            raise KeyExists(f"{key} exists in {self._url}") from error
        except _REFUSED as error:
            raise StoreError(f"{self._url}: not allowed to create {key}: {_first_line(error)}") from error
        except FileNotFoundError as error:
            raise self._bucket_gone(error) from error
        except (BaseError, OSError) as error:
            raise OutcomeUnknown(f"{self._url}: creating {key}: {_first_line(error)}") from error

    def get(self, key: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, check_key(key)).bytes())
        except (BaseError, OSError) as error:
            raise self._reading(error, key) from error

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        if length == 0:  # the library refuses empty ranges
            self.size(key)
            return b""
        try:
            return bytes(obstore.get_range(self._store, check_key(key), start=offset, length=length))
        except (BaseError, OSError) as error:
            if _names_the_range(error) and offset >= self.size(key):
                return b""
            raise self._reading(error, key) from error

    def size(self, key: str) -> int:
        try:
            return obstore.head(self._store, check_key(key))["size"]
        except FileNotFoundError:
            return self._size_by_get(key)
        except (BaseError, OSError) as error:
            raise self._reading(error, key) from error

    def list(self, prefix: str) -> Iterator[str]:
        try:
            pages = obstore.list(self._store, prefix=check_key(prefix) + "/")  # pyright: ignore[reportUnknownMemberType]
            for page in pages:
                for meta in page:
                    yield meta["path"]
        except (BaseError, OSError) as error:
            raise self._reading(error, prefix) from error

    def delete(self, key: str) -> None:
        try:
            obstore.delete(self._store, check_key(key))
        except FileNotFoundError as error:
            if _names_the_bucket(error):
                raise self._bucket_gone(error) from error
        except (BaseError, OSError) as error:
            raise self._reading(error, key) from error

    def _size_by_get(self, key: str) -> int:
        """An answer to HEAD has no body that could tell a missing bucket from a missing object."""
        try:
            return obstore.get(self._store, key).meta["size"]
        except (BaseError, OSError) as error:
            raise self._reading(error, key) from error

    def _bucket_gone(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"{self._url}: there is no such bucket: {_first_line(error)}")

    def _reading(self, error: Exception, key: str) -> StoreError:
        if isinstance(error, FileNotFoundError):
            if _names_the_bucket(error):
                return self._bucket_gone(error)
            return KeyMissing(f"{key} is not in {self._url}")
        if isinstance(error, _REFUSED):
            return StoreError(f"{self._url}: not allowed to read {key}: {_first_line(error)}")
        return StoreUnavailable(f"{self._url}: {key}: {_first_line(error)}")


def memory_store() -> CloudStore:
    """A store that lives as long as the object does."""
    return CloudStore(MemoryStore(), "memory://")


def s3_store(bucket: str, prefix: str, options: Mapping[str, str], timeout_s: float) -> CloudStore:
    """A bucket, or the part of it below `prefix`.

    Options: `region`, `endpoint`; credentials as the AWS SDKs find them.
    """
    config: dict[str, str] = {"checksum_algorithm": "sha256"}
    if "region" in options:
        config["region"] = options["region"]
    if "endpoint" in options:
        config["endpoint"] = options["endpoint"]
        config["virtual_hosted_style_request"] = "false"
    plain = options.get("endpoint", "").startswith("http://")
    store = S3Store(
        bucket,
        prefix=prefix or None,
        config=config,  # pyright: ignore[reportArgumentType]
        client_options={"timeout": f"{timeout_s:g}s", "connect_timeout": "5s", "allow_http": plain},
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=timeout_s)},
    )
    return CloudStore(store, f"s3://{bucket}/{prefix}".rstrip("/"))


def _names_the_bucket(error: Exception) -> bool:
    return "NoSuchBucket" in str(error)


def _names_the_range(error: Exception) -> bool:
    return "416" in str(error) or "Invalid range" in str(error)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
