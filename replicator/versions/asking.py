"""Asking another program for a fact: bounded in time and in what it may answer. No answer is an answer: unknown, and why."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING

from replicator.versions.secrets import scrub

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_BYTES = 8 << 20
_SAID = 300


class Unknown(Exception):
    """A fact that could not be had, and why."""


class TooMuch(Unknown):
    """The answer was longer than it may be."""


def ask(
    argv: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    max_bytes: int = _MAX_BYTES,
    fine: Sequence[int] = (0,),
) -> bytes:
    """What the program writes to stdout. Unknown if it is absent, fails, takes too long or writes too much."""
    name = os.path.basename(argv[0])  # noqa: PTH119
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=dict(env) if env is not None else None, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise Unknown(f"{name}: {error.strerror or error}") from error
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    errors: list[bytes] = []
    threads = [_in_background(lambda: errors.append(process.stderr.read(_SAID) if process.stderr else b""))]
    if stdin is not None:
        threads.append(_in_background(lambda: _feed(process, stdin)))
    try:
        with process:
            body = process.stdout.read(max_bytes + 1) if process.stdout else b""
            if len(body) > max_bytes:
                process.kill()
            elif process.stdout is not None:
                process.stdout.close()
            code = process.wait()
            for thread in threads:
                thread.join(timeout=1)
    finally:
        timer.cancel()
    if late.is_set():
        raise Unknown(f"{name} did not answer within {timeout_s:g} s")
    if len(body) > max_bytes:
        raise TooMuch(f"{name} answered with more than {max_bytes:,} bytes")
    if code not in fine:
        said = scrub(b"".join(errors).decode(errors="replace").strip().splitlines()[0]) if any(errors) else ""
        raise Unknown(f"{name} ended with {code}" + (f": {said}" if said else ""))
    return body


def _in_background(work: object) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)  # pyright: ignore[reportArgumentType]
    thread.start()
    return thread


def _feed(process: subprocess.Popen[bytes], body: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(body)
        process.stdin.close()
    except OSError:
        return  # it ended without reading; how is said by its exit code
