"""Stands for a program that serves: answers at once with its site's name; ready unless a file says otherwise."""

from __future__ import annotations

import argparse
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("--repository", "--model", "--receipts", "--weights", "--site"):
    parser.add_argument(name, required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--sick-while", type=Path, default=Path("/nonexistent"))
parser.add_argument("--fails-while", type=Path, default=Path("/nonexistent"))
GIVEN = parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(503 if (GIVEN.sick_while / GIVEN.site).exists() else 200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.01)
        self._answer(500 if (GIVEN.fails_while / GIVEN.site).exists() else 200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.send_header("X-Drstack-Site", GIVEN.site)
        self.send_header("X-Drstack-Step", "10")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


sys.stderr.write(f"{GIVEN.site} listens on {GIVEN.port}\n")
Server(("127.0.0.1", GIVEN.port), Handler).serve_forever()
