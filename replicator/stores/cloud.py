"""Buckets and memory through obstore, translated to the store contract.

Every request has a timeout that fits its size. A create whose answer was lost is OutcomeUnknown, and so is one that
the store put off because of another (409 of S3 and Google); obstore's own retries may turn such a create into
"exists", which `replicator.log.claim` reads back like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import MemoryStore

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError, StoreUnavailable
from replicator.stores.aged import Aged
from replicator.stores.archived import archived_error
from replicator.stores.clients import Clients, Patience
from replicator.stores.store import check_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obstore import PutResult
    from obstore.store import AzureStore, GCSStore, S3Store

_EXISTS = (AlreadyExistsError, PreconditionError, FileExistsError)
_REFUSED = (PermissionDeniedError, UnauthenticatedError, PermissionError)
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "container does not exist", "bucket does not exist")
_NO_RANGE = ("416 ", "Invalid range", "InvalidRange")


class CloudStore:
    """An obstore store under the contract of `ObjectStore`."""

    def __init__(
        self,
        clients: Clients[S3Store] | Clients[GCSStore] | Clients[AzureStore] | Clients[MemoryStore],
        url: str,
        *,
        confirm: Callable[[PutResult, bytes], None] | None = None,
    ) -> None:
        """`confirm` compares what the store says it holds with what was sent, where the store itself does not."""
        self._clients = clients
        self._url = url
        self._confirm = confirm

    @property
    def url(self) -> str:
        return self._url

    def create(self, key: str, body: bytes) -> None:
        sent = bytes(body)
        client = self._clients.writing(len(sent))
        try:
            stored = obstore.put(client, check_key(key), sent, mode="create", use_multipart=False)
        except _EXISTS as error:
            if _was_put_off(error):
                raise OutcomeUnknown(f"{self._url}: creating {key}: {_first_line(error)}") from error
            raise KeyExists(f"{key} exists in {self._url}") from error
        except _REFUSED as error:
            raise StoreError(f"{self._url}: not allowed to create {key}: {_first_line(error)}") from error
        except FileNotFoundError as error:
            raise self._bucket_gone(error) from error
        except (BaseError, OSError) as error:
            raise OutcomeUnknown(f"{self._url}: creating {key}: {_first_line(error)}") from error
        if self._confirm is not None:
            self._confirm(stored, sent)

    def get(self, key: str) -> bytes:
        try:
            return bytes(obstore.get(self._clients.reading(), check_key(key)).bytes())
        except (BaseError, OSError) as error:
            raise self._reading(error, key) from error

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        if length == 0:  # the library refuses empty ranges
            self.size(key)
            return b""
        try:
            return bytes(obstore.get_range(self._clients.reading(), check_key(key), start=offset, length=length))
        except (BaseError, OSError) as error:
            if _names_the_range(error) and offset >= self.size(key):
                return b""
            raise self._reading(error, key) from error

    def size(self, key: str) -> int:
        try:
            return obstore.head(self._clients.reading(), check_key(key))["size"]
        except FileNotFoundError:
            return self._size_by_get(key)
        except (BaseError, OSError) as error:
            raise self._reading(error, key) from error

    def list(self, prefix: str) -> Iterator[str]:
        try:
            pages = obstore.list(self._clients.reading(), prefix=check_key(prefix) + "/")  # pyright: ignore[reportUnknownMemberType]
            for page in pages:
                for meta in page:
                    yield meta["path"]
        except (BaseError, OSError) as error:
            raise self._reading(error, prefix) from error

    def aged(self, prefix: str) -> Iterator[Aged]:
        try:
            pages = obstore.list(self._clients.reading(), prefix=check_key(prefix) + "/")  # pyright: ignore[reportUnknownMemberType]
            for page in pages:
                for meta in page:
                    yield Aged(meta["path"], meta["last_modified"].timestamp(), meta["size"])
        except (BaseError, OSError) as error:
            raise self._reading(error, prefix) from error

    def delete(self, key: str) -> None:
        try:
            obstore.delete(self._clients.reading(), check_key(key))
        except FileNotFoundError as error:
            if _names_the_bucket(error):
                raise self._bucket_gone(error) from error
        except (BaseError, OSError) as error:
            raise self._reading(error, key) from error

    def _size_by_get(self, key: str) -> int:
        """An answer to HEAD has no body that could tell a missing bucket from a missing object."""
        try:
            return obstore.get(self._clients.reading(), key).meta["size"]
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
            if (archived := archived_error(self._url, key, error)) is not None:
                return archived
            return StoreError(f"{self._url}: not allowed to read {key}: {_first_line(error)}")
        return archived_error(self._url, key, error) or StoreUnavailable(f"{self._url}: {key}: {_first_line(error)}")


def memory_store() -> CloudStore:
    """A store that lives as long as the object does."""
    store = MemoryStore()
    return CloudStore(Clients(lambda _limits, _retries: store, Patience()), "memory://")


def _was_put_off(error: Exception) -> bool:
    """409 means that another request for the key is under way; only Azure says by it that the blob is there."""
    text = str(error)
    return "409 Conflict" in text and "BlobAlreadyExists" not in text


def _names_the_bucket(error: Exception) -> bool:
    return any(name in str(error) for name in _NO_BUCKET)


def _names_the_range(error: Exception) -> bool:
    return any(name in str(error) for name in _NO_RANGE)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
