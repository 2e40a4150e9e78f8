"""The replica's HTTP: `POST /generate`, `GET /step`, `GET /healthz`.

Every answer says which site and step it comes from. Invariant: `/healthz` is 200 exactly while a model serves, so that
a router sends no request that cannot be answered.
"""

import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from examples.serve.errors import BadRequest
from examples.serve.reloader import Reloader, Served

MOST_BYTES = 64 * 1024
IDLE_S = 65.0
"""Longer than a router keeps idle connections open, so that it is the one to close them."""


class Server(ThreadingHTTPServer):
    """Bound to loopback. OSError where the port is taken."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, site: str, reloader: Reloader, at_once: int) -> None:
        self.site = site
        self.reloader = reloader
        self.places = threading.BoundedSemaphore(at_once)
        super().__init__(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "drstack-serve"
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """`/healthz` and `/step`."""
        now = self.server.reloader.now
        if self.path == "/healthz":
            trouble = self.server.reloader.trouble
            status = HTTPStatus.SERVICE_UNAVAILABLE if now is None else HTTPStatus.OK
            self._answer(status, {"ready": now is not None, "trouble": trouble}, now)
        elif self.path == "/step" and now is not None:
            self._answer(
                HTTPStatus.OK,
                {"step": now.model.step, "commit": now.commit, "saved_at": now.saved_at, "loaded_at": now.loaded_at},
                now,
            )
        elif self.path == "/step":
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": self.server.reloader.trouble}, now)
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"no {self.path}; there are /generate, /step, /healthz"}, now)

    def do_POST(self) -> None:
        """`/generate`: {"prompt": text, "tokens": how many}."""
        now = self.server.reloader.now
        try:
            asked = self._body()
        except BadRequest as error:
            self.close_connection = True
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)}, now)
            return
        if self.path != "/generate":
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"no {self.path}; there is /generate"}, now)
        elif now is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": self.server.reloader.trouble}, now)
        elif not self.server.places.acquire(blocking=False):
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "busy"}, now)
        else:
            try:
                self._generate(asked, now)
            finally:
                self.server.places.release()

    def _generate(self, asked: dict[str, object], now: Served) -> None:
        prompt, tokens = asked.get("prompt"), asked.get("tokens", 16)
        try:
            if not isinstance(prompt, str) or not isinstance(tokens, int) or isinstance(tokens, bool):
                raise BadRequest('a body like {"prompt": "def ", "tokens": 16} is expected')
            began = time.perf_counter()
            text = now.model.generate(prompt, tokens)
        except BadRequest as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)}, now)
            return
        took = time.perf_counter() - began
        self._answer(HTTPStatus.OK, {"text": text, "step": now.model.step, "commit": now.commit, "seconds": took}, now)

    def _body(self) -> dict[str, object]:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise BadRequest("Content-Length is missing")
        if int(length) > MOST_BYTES:
            raise BadRequest(f"the body has {length} bytes; at most {MOST_BYTES} are taken")
        try:
            asked: object = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise BadRequest(f"the body is no JSON: {error}") from error
        if not isinstance(asked, dict):
            raise BadRequest("the body is no JSON object")
        return asked

    def _answer(self, status: HTTPStatus, body: dict[str, object], now: Served | None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Drstack-Site", self.server.site)
        if now is not None:
            self.send_header("X-Drstack-Step", str(now.model.step))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Ordinary requests are not logged; a router's access log is the place for them."""

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Timeouts of idle connections are no errors either."""
