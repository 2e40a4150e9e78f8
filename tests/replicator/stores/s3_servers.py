"""S3 servers for tests: moto inside this process, versitygw as a process of its own, on free loopback ports."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

from replicator.stores.cloud import CloudStore, s3_store
from tools.notrun import not_run
from tools.servers import ServerUnavailable, versitygw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCESS, SECRET, REGION = "AKIATEST", "secretsecret", "us-east-1"
START_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class S3Server:
    endpoint: str

    def make_bucket(self, name: str) -> None:
        boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
        ).create_bucket(Bucket=name)

    def store(
        self, bucket: str, prefix: str = "", *, endpoint: str = "", timeout_s: float = REQUEST_TIMEOUT_S
    ) -> CloudStore:
        return s3_store(bucket, prefix, {"region": REGION, "endpoint": endpoint or self.endpoint}, timeout_s)


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
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
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
    data, versions, port = folder / "data", folder / "versions", free_port()
    data.mkdir()
    versions.mkdir()
    command = [
        str(program), "--port", f"127.0.0.1:{port}", "--region", REGION, "--health", "/health",
        "posix", "--versioning-dir", str(versions), str(data),
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
    with (folder / "versitygw.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, folder / "versitygw.log")
            yield S3Server(f"http://127.0.0.1:{port}")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise AssertionError(f"versitygw did not start: {log.read_text()}")
