"""A repository with two real checkpoints of a tiny run, and replicas that serve it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from replicator.log.entries import Open
from replicator.repository.format import initialise
from replicator.repository.repository import Repository, random_token
from replicator.repository.ship import Push, ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import verify
from replicator.stores.local import LocalStore

ROOT = Path(__file__).resolve().parents[3]
TINY = ("--layers", "1", "--width", "32", "--heads", "2", "--context", "32", "--batch", "2")
PATIENCE_S = 240


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """Checkpoints of steps 10 and 20 of one run."""
    folder = tmp_path_factory.mktemp("trained")
    given = ("--checkpoints", str(folder / "checkpoints"), "--metrics", str(folder / "m"), "--steps", "20")
    subprocess.run([sys.executable, "-m", "examples.train", *TINY, *given], cwd=ROOT, check=True, timeout=PATIENCE_S)
    return folder / "checkpoints"


class Shelf:
    """A repository that gets checkpoints by hand."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        store = LocalStore(folder)
        initialise(store, environment=None, witness=None, clock=time.time, token=random_token)
        self.repository = Repository("east", store)
        self.repository.log("gpt").open(Open(term=1, writer="east"))
        self.url, self.folder, self._height = folder.as_uri(), folder, 0

    def put(self, path: Path, step: int, *, receipts: bool = True) -> None:
        names = [each.relative_to(path).as_posix() for each in sorted(path.rglob("*")) if each.is_file()]
        snapshot = take_snapshot(path, names)
        self._height += 1
        push = Push("gpt", path.name, 1, self._height, step, random_token(), b"s" * 16, snapshot.saved_at)
        accepted = ship(push, snapshot, self.repository)
        if receipts:
            verify(self.repository, "gpt", accepted, "east")


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "repository")


class Replica:
    def __init__(self, shelf: Shelf, folder: Path, port: int) -> None:
        self.port, self.weights = port, folder / "weights"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "examples.serve", "--repository", shelf.url, "--model", "gpt", "--weights",
             str(self.weights), "--port", str(port), "--site", "east", "--poll-s", "0.2"],
            cwd=ROOT, env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None):
        """(status, headers, JSON), or None where nothing listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, content, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), json.loads(answer.read())
        except OSError:
            return None
        finally:
            connection.close()

    def until(self, holds):
        ends = time.monotonic() + PATIENCE_S
        while not holds():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < ends, "it did not happen in time"
            time.sleep(0.05)

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        try:
            said, _ = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            said, _ = self.process.communicate()
        return self.process.returncode, said
