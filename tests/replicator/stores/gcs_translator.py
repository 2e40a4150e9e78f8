"""Google's XML interface, which obstore speaks, in front of fake-gcs-server, which writes by the JSON one only.

It translates and decides nothing: preconditions, races and contents are the server's. Reads and lists pass.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 60
HOP = ("connection", "transfer-encoding", "content-length", "date", "host")


class GcsTranslator:
    def __init__(self, upstream: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def _pass(self) -> None:
                status, headers, body = _ask(upstream, self.command, self.path, self._given(), self._body())
                if status == 404:
                    self._missing()
                    return
                self._answer(status, headers, body)

            def _put(self) -> None:
                target = urlsplit(self.path)
                bucket, _, key = target.path.lstrip("/").partition("/")
                if target.query or "x-goog-copy-source" in self.headers:
                    self._answer(501, {}, b"<Error><Code>NotImplemented</Code></Error>")
                    return
                asked = {"uploadType": "media", "name": unquote(key)}
                if (generation := self.headers.get("x-goog-if-generation-match")) is not None:
                    asked["ifGenerationMatch"] = generation
                path = f"/upload/storage/v1/b/{bucket}/o?{urlencode(asked)}"
                status, headers, body = _ask(upstream, "POST", path, self._given(), self._body())
                if status == 404:
                    self._missing()
                elif status == 200:
                    made = json.loads(body)
                    digest = base64.b64decode(made["md5Hash"]).hex()
                    self._answer(200, {"ETag": f'"{digest}"', "x-goog-generation": made["generation"]}, b"")
                else:
                    self._answer(status, headers, body)

            def _missing(self) -> None:
                """What is missing, the bucket or the object, said as Google says it."""
                bucket = urlsplit(self.path).path.lstrip("/").partition("/")[0]
                status, _, _ = _ask(upstream, "GET", f"/storage/v1/b/{quote(unquote(bucket))}", {}, b"")
                code = "NoSuchKey" if status == 200 else "NoSuchBucket"
                self._answer(404, {"Content-Type": "application/xml"}, f"<Error><Code>{code}</Code></Error>".encode())

            def _given(self) -> dict[str, str]:
                return {name: value for name, value in self.headers.items() if name.lower() not in HOP}

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_DELETE = _pass  # noqa: N815 - http.server's names
            do_PUT = _put  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[GcsTranslator]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _ask(
    upstream: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request(method, path, body or None, headers | ({"Content-Length": "0"} if not body else {}))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
