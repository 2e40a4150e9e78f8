"""A real HTTP server that does as it is told: `with listening() as server`. `answers` is what each request gets, in turn."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Heard:
    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Listening:
    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)
    """Statuses, (status, body); `hang` keeps the request waiting, `break` ends the connection after it was read."""
    go: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def listening() -> Generator[Listening]:
    told = Listening()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            size = int(self.headers.get("Content-Length") or 0)
            told.heard.append(Heard(self.command, self.path, dict(self.headers), self.rfile.read(size).decode()))
            answer = told.answers.pop(0) if told.answers else 200
            if answer == "hang":
                told.go.wait(60)
                return
            if answer == "break":
                self.connection.close()
                return
            status, body = answer if isinstance(answer, tuple) else (answer, "")
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_PUT = do_POST  # noqa: N815 - as the server calls them

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        told.go.set()
        server.shutdown()
        server.server_close()
