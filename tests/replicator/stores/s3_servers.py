"""S3 servers for tests: moto inside this process, versitygw and MinIO as processes, on free loopback ports."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

from replicator.stores.address import BucketAddress
from replicator.stores.clients import Patience
from replicator.stores.s3 import s3_store
from tests.replicator.stores.processes import free_port, running
from tools.notrun import not_run
from tools.servers import ServerUnavailable, minio, versitygw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from replicator.stores.cloud import CloudStore

ACCESS, SECRET, REGION = "AKIA" + secrets.token_hex(8).upper(), secrets.token_hex(20), "us-east-1"
REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class S3Server:
    endpoint: str

    def make_bucket(self, name: str) -> None:
        boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
        ).create_bucket(Bucket=name)

    def store(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str = "",
        timeout_s: float = REQUEST_TIMEOUT_S,
        patience: Patience | None = None,
    ) -> CloudStore:
        address = BucketAddress("s3", bucket, prefix, region=REGION, endpoint=endpoint or self.endpoint)
        return s3_store(address, patience or Patience(answer_s=timeout_s))


@contextlib.contextmanager
def credentials() -> Iterator[None]:
    """The environment in which the AWS SDKs find our keys, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@contextlib.contextmanager
def moto() -> Iterator[S3Server]:
    """One put at a time: moto looks whether a key is there and makes it in two steps, which no real server does."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    one, put = threading.Lock(), S3Response.put_object

    def put_alone(response: S3Response):
        with one:
            return put(response)

    with patch.object(S3Response, "put_object", put_alone):
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield S3Server(f"http://{host}:{port}")
        finally:
            server.stop()


@contextlib.contextmanager
def versity(folder: Path) -> Iterator[S3Server]:
    """NOT RUN where the program cannot be had."""
    try:
        program = versitygw.binary()
    except ServerUnavailable as error:
        not_run(str(error))
    data, versions, endpoint = folder / "data", folder / "versions", f"127.0.0.1:{free_port()}"
    data.mkdir()
    versions.mkdir()
    command = [
        str(program), "--port", endpoint, "--region", REGION, "--health", "/health",
        "posix", "--versioning-dir", str(versions), str(data),
    ]  # fmt: skip
    root = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
    with running(command, folder, healthy=f"http://{endpoint}/health", environment=root):
        yield S3Server(f"http://{endpoint}")


@contextlib.contextmanager
def minio_server(folder: Path) -> Iterator[S3Server]:
    """One drive. NOT RUN where the program cannot be had."""
    try:
        program = minio.SERVER.binary()
    except ServerUnavailable as error:
        not_run(str(error))
    data, endpoint = folder / "data", f"127.0.0.1:{free_port()}"
    data.mkdir()
    command = [str(program), "server", "--quiet", "--address", endpoint, str(data)]
    root = {
        "MINIO_ROOT_USER": ACCESS, "MINIO_ROOT_PASSWORD": SECRET, "MINIO_REGION": REGION,
        "MINIO_UPDATE": "off", "MINIO_BROWSER": "off",
    }  # fmt: skip
    with running(command, folder, healthy=f"http://{endpoint}/minio/health/ready", environment=root):
        _await_buckets(f"http://{endpoint}")
        yield S3Server(f"http://{endpoint}")


def _await_buckets(endpoint: str, deadline_s: float = 60.0) -> None:
    """MinIO says that it is ready a moment before it takes a bucket."""
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
    )
    ends = time.monotonic() + deadline_s
    while True:
        try:
            client.list_buckets()
        except (BotoCoreError, ClientError):
            if time.monotonic() > ends:
                raise
            time.sleep(0.2)
        else:
            return


PROCESSES: dict[str, Callable[[Path], AbstractContextManager[S3Server]]] = {
    "versitygw": versity, "minio": minio_server,
}  # fmt: skip
