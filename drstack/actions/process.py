"""A program within its time: a clean environment, an end that comes with ours, its output bounded.

Invariant: when `run` returns, the program has ended; what it leaves running in the background after it ended well goes on,
as it would from a shell.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEPT_BYTES = 65536
"""Of the output's end."""
_TIED = Path(__file__).with_name("tied.py")
_LAST_WORDS_S = 1.0
_ENDING_S = 15.0


@dataclass(frozen=True, slots=True)
class Ended:
    """`how`: exit, signal, timeout, absent (it could not start) or lost (nobody knows). `code`: of exit and signal."""

    how: str
    code: int
    output: str
    """Standard output and error together, as far as it was kept."""
    cut: bool
    """Whether its beginning is missing."""
    why: str = ""


def run(
    argv: Sequence[str], *, environment: Mapping[str, str], folder: Path, timeout_s: float, given: bytes = b""
) -> Ended:
    """`given`: what it reads on standard input."""
    leash_end, leash = os.pipe()
    word, word_end = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(_TIED), str(leash_end), str(word_end), str(timeout_s), *argv],
            env=dict(environment), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=(leash_end, word_end), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        for each in (leash_end, leash, word, word_end):
            os.close(each)
        return Ended("absent", 0, "", cut=False, why=f"{error.strerror or error}: {folder}")
    os.close(leash_end)
    os.close(word_end)
    kept = _Kept(process.stdout)
    try:
        threading.Thread(target=_feed, args=(process.stdin, given), daemon=True).start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s + _ENDING_S)
        told = _word(word, process)
        kept.join(_LAST_WORDS_S)
    finally:
        os.close(leash)
        os.close(word)
    how, _, rest = told.partition(" ")
    code = int(rest) if how in ("exit", "signal") else 0
    return Ended(how, code, kept.text(), cut=kept.cut, why=rest if how == "absent" else "")


def _word(word: int, process: subprocess.Popen[bytes]) -> str:
    if process.poll() is None:
        process.kill()
        process.wait()
        return "lost"
    return os.read(word, 4096).decode(errors="replace") or "lost"


def _feed(stdin: IO[bytes] | None, given: bytes) -> None:
    if stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # it does not read what it is given, or has ended
            stdin.write(given)
            stdin.close()


class _Kept(threading.Thread):
    """Reads an output to its end and keeps the last of it."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._tail = bytearray()
        self.cut = False
        self.start()

    def run(self) -> None:
        while self._stream is not None and (chunk := os.read(self._stream.fileno(), 65536)):
            self._tail += chunk
            if len(self._tail) > KEPT_BYTES:
                self.cut = True
                del self._tail[:-KEPT_BYTES]

    def text(self) -> str:
        return bytes(self._tail).decode(errors="replace")
