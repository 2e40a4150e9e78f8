"""Azure Blob Storage for tests: Azurite as a process, with an account and a key of random strings."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import urllib.request
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from replicator.stores.address import BucketAddress
from replicator.stores.azure import azure_store
from replicator.stores.clients import Patience
from tests.replicator.stores.processes import free_port, running
from tools.notrun import not_run
from tools.servers import ServerUnavailable, azurite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from replicator.stores.cloud import CloudStore

ACCOUNT, KEY = "test" + secrets.token_hex(6), base64.b64encode(secrets.token_bytes(64)).decode()
API = "2021-12-02"


@dataclass(frozen=True, slots=True)
class AzureServer:
    endpoint: str
    """The account's own, as Azurite has it: http://HOST:PORT/ACCOUNT."""

    def make_bucket(self, name: str) -> None:
        """A container, asked for with the account's key (Shared Key of Microsoft's REST reference)."""
        date = formatdate(usegmt=True)
        signed = "\n".join(
            ["PUT", *[""] * 11, f"x-ms-date:{date}", f"x-ms-version:{API}", f"/{ACCOUNT}/{ACCOUNT}/{name}"]
        )
        digest = hmac.digest(base64.b64decode(KEY), f"{signed}\nrestype:container".encode(), hashlib.sha256)
        headers = {
            "x-ms-date": date,
            "x-ms-version": API,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        }
        request = urllib.request.Request(f"{self.endpoint}/{name}?restype=container", headers=headers, method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def store(self, bucket: str, prefix: str = "", *, endpoint: str = "", timeout_s: float = 10.0) -> CloudStore:
        address = BucketAddress("az", bucket, prefix, account=ACCOUNT, endpoint=endpoint or self.endpoint)
        return azure_store(address, Patience(answer_s=timeout_s))


@contextlib.contextmanager
def azure_credentials() -> Iterator[None]:
    """The environment in which Azure's libraries find our key, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AZURE_")]:
            patch.delenv(name)
        patch.setenv("AZURE_STORAGE_KEY", KEY)
        yield


@contextlib.contextmanager
def azurite_server(folder: Path) -> Iterator[AzureServer]:
    """NOT RUN where the program cannot be had."""
    try:
        program = azurite.command_line()
    except ServerUnavailable as error:
        not_run(str(error))
    port = free_port()
    command = [
        *program, "--blobHost", "127.0.0.1", "--blobPort", str(port),
        "--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry",
    ]  # fmt: skip
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    with running(command, folder, healthy=endpoint, environment={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}):
        yield AzureServer(endpoint)
