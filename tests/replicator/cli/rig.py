"""The `replicator` command in this process, as on a machine of its own: home, keys and cache in a folder of the test."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import structlog

from replicator.cli import main


@dataclass
class Shown:
    returncode: int
    stdout: str
    stderr: str

    @property
    def document(self):
        return json.loads(self.stdout)


@dataclass
class Shell:
    """Somebody's machine: its home, and keys there unless told otherwise."""

    home: Path

    def __call__(self, *arguments: object, stdin: str = "", env: dict[str, str] | None = None) -> Shown:
        self.home.mkdir(parents=True, exist_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DRSTACK_", "XDG_"))}
        out, err, code = io.StringIO(), io.StringIO(), 0
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        with ExitStack() as held:
            held.enter_context(patch.dict(os.environ, {**clean, "HOME": str(self.home), **(env or {})}, clear=True))
            held.enter_context(patch.object(sys, "argv", ["replicator", *(str(each) for each in arguments)]))
            held.enter_context(patch.object(sys, "stdin", io.StringIO(stdin)))
            held.enter_context(redirect_stdout(out))
            held.enter_context(redirect_stderr(err))
            try:
                main.run()
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 0
            finally:
                structlog.reset_defaults()
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        return Shown(code, out.getvalue(), err.getvalue())

    @property
    def keys(self) -> Path:
        return self.home / ".config" / "drstack" / "keys"
