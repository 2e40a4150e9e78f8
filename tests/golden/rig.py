"""Both readers of a golden repository, and ways to write what neither of them would."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from replicator.crypto.keyring import Keyring
from replicator.log.slots import slot_key
from replicator.repository.repository import Repository
from replicator.stores.local import LocalStore

HERE = Path(__file__).parent


def _second_reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("second_reader", HERE / "reader.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SECOND = _second_reader()
REFUSALS = (SystemExit, AssertionError, KeyError, ValueError)
"""How the second reader refuses: in words where the page says what is to be said, else as Python does."""


def second(repository: Path, target: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The second reader as a program."""
    return subprocess.run(
        [sys.executable, str(HERE / "reader.py"), str(repository), "gpt", str(target), *more],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def copied(name: str, target: Path) -> Path:
    """A golden repository to change, with keys that their owner alone can read: a checkout does not keep that."""
    shutil.copytree(HERE / name, target, symlinks=True)
    for path in (target / "keys").glob("*.key"):
        path.chmod(0o600)
    return target


def plain(folder: Path) -> Repository:
    return Repository("west", LocalStore(folder))


def encrypted(folder: Path) -> Repository:
    """With all keys of its family."""
    return Repository(
        "west", LocalStore(folder / "repository"), keys=Keyring(folder / "keys"), memory=folder / "memory"
    )


def appended(
    repository: Repository, kind: str, body: object, log: str = "log/gpt", *, by: str | None = None, **payload: object
) -> None:
    """The next record of a log, rightly linked, whatever it says; `payload`: fields beside those of a record."""
    previous, n = None, 1
    for n in itertools.count(1):
        key = slot_key(log, n)
        if key not in set(repository.store.list(log)):
            break
        previous = SECOND.digest(repository.store.get(key))
    said = {"log": log, "n": n, "previous": previous, "attempt": "a", "kind": kind, "at": 1.0, "body": body, **payload}
    repository.store.create(key, repository.notary.seal(said, kind, among=(by,) if by else None))
