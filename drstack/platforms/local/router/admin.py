"""Talking to Caddy's admin API over its socket. Every call has a timeout; ActuatorFailed names what it refused."""

from __future__ import annotations

import http.client
import json
import re
import socket
from typing import TYPE_CHECKING, Any, cast

from drstack.errors import ActuatorFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CALL_S = 10.0
_HEALTHY = re.compile(
    r'^caddy_reverse_proxy_upstreams_healthy\{upstream="127\.0\.0\.1:(\d+)"\} ([0-9.e+]+)$', re.MULTILINE
)
_ANSWERS = re.compile(
    r'^caddy_http_request_duration_seconds_count\{code="(\d+)",[^}]*server="([^"]+)"[^}]*\} ([0-9.e+]+)$', re.MULTILINE
)


class Admin:
    """`path`: of the socket."""

    def __init__(self, path: Path, *, timeout_s: float = CALL_S) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def answers(self) -> bool:
        try:
            self._call("GET", "/config/admin")
        except ActuatorFailed:
            return False
        return True

    def load(self, config: Mapping[str, Any]) -> None:
        """Take up a configuration; requests that are under way are finished under the one before."""
        self._call("POST", "/load", json.dumps(config).encode())

    def healthy(self) -> dict[int, bool]:
        """Per upstream's port, whether active checks find it healthy; those that were not judged yet are left out."""
        return {int(port): float(value) > 0 for port, value in _HEALTHY.findall(self._metrics())}

    def answered(self) -> dict[str, dict[int, int]]:
        """Per server, how many requests were answered with each status since Caddy started."""
        found: dict[str, dict[int, int]] = {}
        for code, server, count in _ANSWERS.findall(self._metrics()):
            by = found.setdefault(server, {})
            by[int(code)] = by.get(int(code), 0) + int(float(count))
        return found

    def fails(self) -> dict[int, int]:
        """Per upstream's port, the requests that it failed within the last moment (passive health)."""
        rows = cast("list[dict[str, Any]] | None", json.loads(self._call("GET", "/reverse_proxy/upstreams")))
        return {int(row["address"].rpartition(":")[2]): int(row["fails"]) for row in rows or []}

    def _metrics(self) -> str:
        return self._call("GET", "/metrics").decode(errors="replace")

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = _Connection(self._path, self._timeout_s)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ActuatorFailed(f"the router at {self._path} does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            said = content.decode(errors="replace").strip()
            raise ActuatorFailed(f"the router refused {method} {path}: {said}")
        return content


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("127.0.0.1", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
