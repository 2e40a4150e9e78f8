"""Google Cloud Storage for tests: fake-gcs-server as a process, behind a translator of its own."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.stores.address import BucketAddress
from replicator.stores.clients import Patience
from replicator.stores.gcs import gcs_store
from tests.replicator.stores.gcs_translator import GcsTranslator
from tests.replicator.stores.processes import free_port, running
from tools.notrun import not_run
from tools.servers import ServerUnavailable, fakegcs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from replicator.stores.cloud import CloudStore


@dataclass(frozen=True, slots=True)
class GcsServer:
    endpoint: str
    """Where Google's XML interface is spoken."""
    control: str

    def make_bucket(self, name: str) -> None:
        request = urllib.request.Request(
            f"{self.control}/storage/v1/b?project=test",
            json.dumps({"name": name}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):
            pass

    def store(self, bucket: str, prefix: str = "", *, endpoint: str = "", timeout_s: float = 10.0) -> CloudStore:
        address = BucketAddress("gs", bucket, prefix, endpoint=endpoint or self.endpoint)
        return gcs_store(address, Patience(answer_s=timeout_s))


@contextlib.contextmanager
def fake_gcs(folder: Path) -> Iterator[GcsServer]:
    """NOT RUN where the program cannot be had."""
    try:
        program = fakegcs.SERVER.binary()
    except ServerUnavailable as error:
        not_run(str(error))
    port = free_port()
    command = [
        str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory",
        "-public-host", f"127.0.0.1:{port}", "-log-level", "error",
    ]  # fmt: skip
    control = f"http://127.0.0.1:{port}"
    with (
        running(command, folder, healthy=f"{control}/_internal/healthcheck"),
        GcsTranslator(control).running() as translator,
    ):
        yield GcsServer(translator.endpoint, control)
