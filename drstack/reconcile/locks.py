"""The locks that engines hold on a stack, as the backend keeps them.

Decides where they lie for each kind of backend. Invariant: a lock is removed by its own name, so that one taken by
another engine since it was read stays; `pulumi cancel` would remove them all.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from drstack.errors import EngineFailed
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from replicator.stores.store import ObjectStore

FOLDER = ".pulumi/locks/organization"


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock. `at` is unix seconds. A lock that cannot be read has no holder."""

    key: str
    pid: int
    host: str
    user: str = ""
    at: float | None = None

    @property
    def readable(self) -> bool:
        return bool(self.host)


class Locks(Protocol):
    """Where the locks of one stack lie."""

    def list(self) -> list[Lock]: ...

    def remove(self, lock: Lock) -> None: ...


class FolderLocks:
    """Locks in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> list[Lock]:
        return [parse_lock(file.name, file.read_bytes()) for file in sorted(self._folder.glob("*.json"))]

    def remove(self, lock: Lock) -> None:
        (self._folder / lock.key).unlink(missing_ok=True)


class BucketLocks:
    """Locks in a bucket."""

    def __init__(self, store: ObjectStore, stack: str) -> None:
        self._store = store
        self._stack = stack

    def list(self) -> list[Lock]:
        return [parse_lock(key, self._store.get(key)) for key in sorted(self._store.list(self._stack))]

    def remove(self, lock: Lock) -> None:
        self._store.delete(lock.key)


class NoLocks:
    """A backend whose locks cannot be seen from here: its own refusal stands."""

    def list(self) -> list[Lock]:
        return []

    def remove(self, lock: Lock) -> None:
        raise EngineFailed(
            f"the lock {lock.key} cannot be removed from here",
            hint="pulumi cancel, once its holder is known to be gone.",
        )


def locks_of(backend_url: str, project: str, stack: str) -> Locks:
    """The locks of a stack in the backend that PULUMI_BACKEND_URL names."""
    parts = urlsplit(backend_url)
    if parts.scheme == "file":
        return FolderLocks(Path(unquote(parts.path)) / FOLDER / project / stack)
    if parts.scheme == "s3":
        options = {name: value for name, value in parse_qsl(parts.query) if name in {"region", "endpoint"}}
        if "endpoint" in options and "://" not in options["endpoint"]:
            options["endpoint"] = f"https://{options['endpoint']}"
        prefix = "/".join(filter(None, (parts.path.strip("/"), FOLDER, project)))
        return BucketLocks(open_store(f"s3://{parts.netloc}/{prefix}?{urlencode(options)}"), stack)
    return NoLocks()


def parse_lock(key: str, body: bytes) -> Lock:
    """A lock as the engine writes it; one that cannot be read has no host."""
    try:
        content: object = json.loads(body)
    except ValueError:
        content = None
    fields = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    pid, host = fields.get("pid"), fields.get("hostname")
    if not isinstance(pid, int) or not isinstance(host, str):
        return Lock(key, 0, "")
    return Lock(key, pid, host, str(fields.get("username", "")), _unix(str(fields.get("timestamp", ""))))


def _unix(text: str) -> float | None:
    """Go writes nanoseconds, which Python does not read."""
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except ValueError:
        return None
