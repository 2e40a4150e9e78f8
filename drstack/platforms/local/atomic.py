"""Small JSON files that readers see whole: temporary file, fsync, rename. Writers take turns by a lock beside them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from typing import TYPE_CHECKING, cast

from drstack.errors import ActuatorFailed

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

LOCK_TIMEOUT_S = 10.0


def write_text(path: Path, text: str) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with staged.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    staged.rename(path)


def write_json(path: Path, value: Mapping[str, object]) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, object] | None:
    """The object in a file; None if there is no file. ActuatorFailed if it holds no JSON object."""
    try:
        value: object = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ActuatorFailed(f"{path} cannot be read: {error}", hint=f"Restore or remove {path}.") from error
    if not isinstance(value, dict):
        raise ActuatorFailed(f"{path} holds no object", hint=f"Restore or remove {path}.")
    return cast("dict[str, object]", value)


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock of `path` against other processes. ActuatorFailed after LOCK_TIMEOUT_S."""
    ends_at = time.monotonic() + LOCK_TIMEOUT_S
    with path.with_name(f".{path.name}.lock").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > ends_at:
                    raise ActuatorFailed(f"{path} was locked by another process for {LOCK_TIMEOUT_S:.0f} s") from error
                time.sleep(0.02)
        yield
