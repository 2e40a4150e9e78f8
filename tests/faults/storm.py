"""An S3 server over folders, with a weather: a store that delays, reorders, loses, lies, and goes on when its client died.

`python -m tests.faults.storm FOLDER` serves until it is killed and prints its port; the weather is told by a POST to
`/`, and a GET of `/` says what was counted: on this side of the wire, not by the product.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
import select
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from replicator.errors import KeyExists, KeyMissing
from replicator.stores.local import LocalStore
from tests.faults.weather import Fate, Weather

if TYPE_CHECKING:
    from collections.abc import Iterator

STALE_S = 1.5
"""How old an object is before a stale look shows it."""
PIECE = 64 * 1024


@dataclass(slots=True)
class Counts:
    """What came in. `body_bytes` counts what arrived of bodies of packs, also of those that were cut."""

    requests: int = 0
    body_bytes: int = 0
    refused: int = 0
    lost: int = 0
    late: int = 0
    """Writes that took effect when their client was gone."""
    gone: int = 0
    lies: int = 0
    """Reads that were stale, truncated or wrong."""


@dataclass(slots=True)
class Sky:
    """State shared by all requests."""

    folder: Path
    weather: Weather = field(default_factory=Weather)
    counts: Counts = field(default_factory=Counts)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fate(self, verb: str, key: str) -> Fate:
        with self.lock:
            self.counts.requests += 1
            return self.weather.fate(verb, key, self.counts.requests)

    def count(self, **more: int) -> None:
        with self.lock:
            for name, value in more.items():
                setattr(self.counts, name, getattr(self.counts, name) + value)


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120.0
    sky: Sky

    def do_PUT(self) -> None:
        bucket, key, _ = self._asked()
        fate = self.sky.fate("PUT", key)
        length = int(self.headers.get("Content-Length") or 0)
        body = self._body(length if fate.answer != "cut" else length // 2, key)
        if fate.answer == "cut" or body is None:
            self._reset()
            return
        if fate.answer == "503":
            self._refuse()
            return
        said = self.headers.get("x-amz-checksum-sha256")
        if said and said != base64.b64encode(hashlib.sha256(body).digest()).decode():
            self._tell(400, b"<Error><Code>BadDigest</Code></Error>")
            return
        if fate.answer == "lost":
            self.sky.count(lost=1)
            threading.Thread(target=self._apply, args=(bucket, key, body, fate), daemon=True).start()
            self._reset()
            return
        made = self._apply(bucket, key, body, fate)
        if not made:
            self._tell(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        self._tell(200, etag=_etag(body))

    def _apply(self, bucket: str, key: str, body: bytes, fate: Fate) -> bool:
        """Whether the object was made, as far as the client is told."""
        if fate.after_s:
            time.sleep(fate.after_s)
            self.sky.count(late=self._left())
        if fate.gone:
            self.sky.count(gone=1)
            return True
        try:
            self._store(bucket).create(key, body)
        except KeyExists:
            return False
        return True

    def do_GET(self) -> None:
        bucket, key, options = self._asked()
        if not bucket:
            with self.sky.lock:
                told = json.dumps(asdict(self.sky.counts)).encode()
            self._tell(200, told)
            return
        if not key:
            self._list(bucket, options)
            return
        fate = self.sky.fate(self.command, key)
        if fate.answer == "503":
            self._refuse()
            return
        try:
            whole = self._store(bucket).get(key)
            age = time.time() - (self._store_path(bucket) / key).stat().st_mtime
        except (KeyMissing, FileNotFoundError):
            self._missing()
            return
        if fate.stale and age < STALE_S:
            self.sky.count(lies=1)
            self._missing()
            return
        self._give(_damaged(whole, fate), whole)
        if fate.damage != "none":
            self.sky.count(lies=1)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def do_DELETE(self) -> None:
        bucket, key, _ = self._asked()
        if self.sky.fate("DELETE", key).answer == "503":
            self._refuse()
            return
        self._store(bucket).delete(key)
        self._tell(204)

    def do_POST(self) -> None:
        bucket, _, options = self._asked()
        body = self._body(int(self.headers.get("Content-Length") or 0), "") or b""
        if not bucket:
            with self.sky.lock:
                told = json.loads(body)
                self.sky.weather = Weather(**{**told, "kinds": tuple(told["kinds"])})
            self._tell(200)
            return
        assert "delete" in options, self.path
        keys = [key.decode() for key in re.findall(rb"<Key>(.*?)</Key>", body)]
        for key in keys:
            self._store(bucket).delete(key)
        told = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self._tell(200, f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{told}</DeleteResult>'.encode())

    def _list(self, bucket: str, options: dict[str, str]) -> None:
        prefix = options.get("prefix", "")
        fate = self.sky.fate("LIST", prefix)
        if fate.answer == "503":
            self._refuse()
            return
        root = self._store_path(bucket)
        rows: list[str] = []
        for path in sorted(each for each in root.rglob("*") if each.is_file()):
            key = path.relative_to(root).as_posix()
            if not key.startswith(prefix) or key.startswith("."):
                continue
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if fate.stale and time.time() - status.st_mtime < STALE_S:
                    self.sky.count(lies=1)
                    continue
                at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(status.st_mtime))
                rows.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{status.st_size}</Size><LastModified>{at}</LastModified>"
                    f"<ETag>&quot;{key.rpartition('/')[2]}&quot;</ETag></Contents>"
                )
        body = (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated>'
            f"{''.join(rows)}</ListBucketResult>"
        )
        self._tell(200, body.encode())

    def _give(self, body: bytes, whole: bytes) -> None:
        headers = {"Last-Modified": formatdate(usegmt=True), "ETag": _etag(whole), "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            self._tell(200, body, headers=headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
        if first >= len(body):
            self._tell(416, b"<Error><Code>InvalidRange</Code></Error>")
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        self._tell(206, body[first : last + 1], headers=headers)

    def _asked(self) -> tuple[str, str, dict[str, str]]:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        return bucket, key, dict(parse_qsl(parts.query, keep_blank_values=True))

    def _body(self, length: int, key: str) -> bytes | None:
        """None if the client went before it was all here."""
        pieces: list[bytes] = []
        while length:
            try:
                piece = self.rfile.read1(min(length, PIECE))  # type: ignore[attr-defined]
            except OSError:
                return None
            if not piece:
                return None
            pieces.append(piece)
            length -= len(piece)
            if key.startswith("packs/"):
                self.sky.count(body_bytes=len(piece))
        return b"".join(pieces)

    def _left(self) -> int:
        """1 if the client hung up."""
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return int(bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b"")
        except (OSError, ValueError):
            return 1

    def _reset(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _missing(self) -> None:
        self._tell(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _refuse(self) -> None:
        self.sky.count(refused=1)
        self._tell(503, b"<Error><Code>SlowDown</Code></Error>")

    def _tell(
        self, code: int, body: bytes = b"", *, etag: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            self.send_response_only(code)
            for name, value in {**(headers or {}), **({"ETag": etag} if etag else {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def _store_path(self, bucket: str) -> Path:
        return self.sky.folder / bucket

    def _store(self, bucket: str) -> LocalStore:
        return LocalStore(self._store_path(bucket))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _damaged(body: bytes, fate: Fate) -> bytes:
    if fate.damage == "truncated":
        return body[: len(body) // 2]
    if fate.damage == "wrong" and body:
        at = len(body) * 2 // 3
        return body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1 :]
    return body


@dataclass(slots=True)
class Storm:
    """The server's process as a test sees it. The objects of bucket `b` are the files below `folder / b`."""

    folder: Path
    process: subprocess.Popen[str]
    port: int

    def url(self, bucket: str) -> str:
        return f"s3://{bucket}?region=us-east-1&endpoint=http://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def weather(self, weather: Weather) -> None:
        self._ask(json.dumps(dataclasses.asdict(weather)).encode())

    def calm(self) -> None:
        self.weather(Weather())

    def counts(self) -> Counts:
        return Counts(**json.loads(self._ask(None)))

    def _ask(self, body: bytes | None) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(self.endpoint + "/", body), timeout=30) as answer:
            return answer.read()


@contextlib.contextmanager
def storm(folder: Path) -> Iterator[Storm]:
    """A server of its own over `folder`, each folder in it a bucket."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.faults.storm", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        yield Storm(folder, process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def credentials() -> dict[str, str]:
    """The environment for a client of it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**plain, "AWS_ACCESS_KEY_ID": "storm", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(8)}


class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that die are what this is for; anything else is told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def main(folder: Path) -> None:
    handler: Any = type("Handler", (Request,), {"sky": Sky(folder)})
    server = Quiet(("127.0.0.1", 0), handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
