"""A server as a process of its own: started on a free loopback port, waited for, and ended by its id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

START_TIMEOUT_S = 90.0
END_TIMEOUT_S = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], folder: Path, *, healthy: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Runs `command` in `folder` until the block ends; the block starts once `healthy`, a URL, answers."""
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})}
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=given, cwd=folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            _wait_until_healthy(healthy, process, log)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError as answer:
            if answer.code < 500:  # it listens, and wants to know who asks
                return
            time.sleep(0.05)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise AssertionError(f"{process.args!r} did not start: {log.read_text()}")
