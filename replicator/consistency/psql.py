"""A psql that stays connected, so that one transaction stays open: statements in, rows out, each within its time."""

from __future__ import annotations

import codecs
import contextlib
import os
import queue
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from replicator.errors import PointNotMade

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLUMN, _ROW = "\x1f", "\x1e"
_END = "\x1d"


class Session:
    """PointNotMade if psql cannot start, the server refuses, or an answer takes longer than `timeout_s`."""

    def __init__(self, argv: list[str], environment: Mapping[str, str], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        quiet = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password", "--set=ON_ERROR_STOP=1"]
        try:
            self._process = subprocess.Popen(
                [*argv, *quiet, f"--field-separator={_COLUMN}", f"--record-separator={_ROW}"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise PointNotMade(
                f"psql cannot start: {error.strerror or error}", hint="Install PostgreSQL's client."
            ) from error
        self._answers: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, sql: str) -> list[tuple[str, ...]]:
        if self._process.stdin is None:
            raise PointNotMade("psql has no input")
        try:
            self._process.stdin.write(f"{sql};\n\\echo {_END}\n".encode())
            self._process.stdin.flush()
        except OSError as error:
            raise PointNotMade(f"PostgreSQL: {self._said()}") from error
        try:
            answer = self._answers.get(timeout=self._timeout_s)
        except queue.Empty as error:
            raise PointNotMade(f"PostgreSQL did not answer within {self._timeout_s:g} s") from error
        if answer is None:
            raise PointNotMade(f"PostgreSQL: {self._said()}")
        rows = answer.strip("\n").split(_ROW)
        return [tuple(row.strip("\n").split(_COLUMN)) for row in rows if row.strip("\n")]

    def close(self) -> None:
        """End the transaction by ending the session; the server lets go of the snapshot."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it is gone already
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        held = ""
        text = codecs.getincrementaldecoder("utf-8")(errors="replace")
        stream = self._process.stdout
        while stream is not None and (chunk := os.read(stream.fileno(), 65536)):
            held += text.decode(chunk)
            while _END in held:
                answer, _, held = held.partition(_END)
                self._answers.put(answer.lstrip("\n"))
        self._answers.put(None)

    def _said(self) -> str:
        until = time.monotonic() + 2
        while self._process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        if self._process.poll() is None or self._process.stderr is None:
            return "the connection is lost"
        said = self._process.stderr.read(2000).decode(errors="replace").strip()
        return said.splitlines()[0] if said else f"psql ended with {self._process.returncode}"
