"""A few pages over HTTP, for Prometheus and whoever supervises a process.

Nothing is changed by a request, and no request outlives its timeout.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

import structlog

from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from replicator.service.health import Health

_log = structlog.get_logger("replicator")
_TIMEOUT_S = 10.0
_PORTS = 65535
TEXT, JSON = "text/plain; charset=utf-8", "application/json"


class Page(NamedTuple):
    """What a request is answered with. `kind`: its media type."""

    code: int
    kind: str
    body: bytes


def of_health(health: Health) -> Page:
    """200 where it is well, else 503, with the document that says why."""
    return Page(200 if health.ok else 503, JSON, json.dumps(health.document).encode() + b"\n")


def address(text: str) -> tuple[str, int]:
    """`IP:PORT` (IPv6 in brackets). ReplicatorError."""
    host, _, port = text.rpartition(":")
    try:
        parsed = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
        if not 0 <= number <= _PORTS:
            raise ValueError(f"{number} is no port")
    except ValueError as error:
        raise ReplicatorError(
            f"--listen {text}: not an address and a port: {error}", hint="Use --listen 127.0.0.1:9464, say."
        ) from error
    return str(parsed), number


@contextmanager
def answering(where: tuple[str, int], pages: Mapping[str, Callable[[], Page]], *, name: str) -> Generator[int]:
    """Answer by path while the block runs; yields the port. ReplicatorError if the address cannot be had.

    `name`: what the server calls itself.
    """
    *first, last = pages
    others = Page(404, TEXT, f"There are {', '.join(first)} and {last}.\n".encode())

    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S
        server_version = name

        def do_GET(self) -> None:
            found = pages.get(self.path.partition("?")[0])
            self._answer(others if found is None else found())

        def _answer(self, page: Page) -> None:
            self.send_response(page.code)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            _log.debug("asked", request=format % args)

    try:
        server = (_Version6 if ":" in where[0] else ThreadingHTTPServer)(where, Handler)
    except OSError as error:
        raise ReplicatorError(
            f"cannot listen on {where[0]}:{where[1]}: {error.strerror}", hint="Choose another with --listen."
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="listen", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=_TIMEOUT_S)


class _Version6(ThreadingHTTPServer):
    address_family = socket.AF_INET6
