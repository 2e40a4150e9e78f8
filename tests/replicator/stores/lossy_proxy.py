"""An HTTP proxy in front of a real server that loses requests or answers, puts them off, or flips a bit, as it is told."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

Loss = Literal["none", "answer", "request", "silence", "damage", "conflict"]
"""`conflict` is S3's 409: another conditional write of the key is under way, and this one was not done."""


class LossyProxy:
    """`losses` is used up one a PUT, then `then` holds. Reads pass."""

    def __init__(self, endpoint: str) -> None:
        self.losses: list[Loss] = []
        self.then: Loss = "none"
        self.puts = 0
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                loss = proxy.next_loss() if self.command == "PUT" else "none"
                if loss == "silence":
                    time.sleep(3.0)
                if loss in ("request", "silence"):
                    self._hang_up()
                    return
                if loss == "conflict":
                    self.send_response_only(409, "Conflict")
                    said = b"<Error><Code>ConditionalRequestConflict</Code></Error>"
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)
                    return
                if loss == "damage":
                    body = body[:-1] + bytes([body[-1] ^ 1])
                upstream = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=10)
                with contextlib.closing(upstream):
                    upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        upstream.putheader(name, value)
                    upstream.endheaders(body)
                    answer = upstream.getresponse()
                    content = answer.read()
                if loss == "answer":
                    self._hang_up()
                    return
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward  # noqa: N815 - http.server's names

            def _hang_up(self) -> None:
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_loss(self) -> Loss:
        with self._lock:
            self.puts += 1
            return self.losses.pop(0) if self.losses else self.then

    @contextlib.contextmanager
    def running(self) -> Iterator[LossyProxy]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
