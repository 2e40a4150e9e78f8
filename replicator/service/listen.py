"""`/metrics`, `/healthz` and `/readyz` over HTTP, for Prometheus and whoever supervises the process.

Nothing is changed by a request, nothing secret is told, and no request outlives its timeout.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Protocol

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from replicator.errors import ReplicatorError
from replicator.service.metrics import exposition

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from replicator.service.health import Health
    from replicator.service.metrics import Reading

_log = structlog.get_logger("replicator")
_TIMEOUT_S = 10.0
_PORTS = 65535


class Told(Protocol):
    """A service that can say how it is."""

    def readings(self) -> Iterable[Reading]: ...

    def lives(self) -> Health: ...

    def ready(self) -> Health: ...


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
def listening(where: tuple[str, int], service: Told) -> Generator[int]:
    """Answer while the block runs; yields the port. ReplicatorError if the address cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S
        server_version = "replicator"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, exposition(service.readings))
            elif path in ("/healthz", "/readyz"):
                health = service.lives() if path == "/healthz" else service.ready()
                body = json.dumps(health.document).encode() + b"\n"
                self._answer(200 if health.ok else 503, "application/json", body)
            else:
                self._answer(404, "text/plain; charset=utf-8", b"There are /metrics, /healthz and /readyz.\n")

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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
