"""MinIO, the S3 server that most people run themselves. It is AGPL: a program that tests start, and no part of drstack."""

from __future__ import annotations

from pathlib import Path

from tools import gobuild
from tools.servers.built import BuiltServer

VERSION = "2026-02-12T20-18-48Z"
PROGRAM = gobuild.Program(
    Path(__file__).parent / "minio",
    "github.com/minio/minio",
    f"github.com/minio/minio/cmd.ReleaseTag=RELEASE.{VERSION}",
)
SERVER = BuiltServer("minio", VERSION, PROGRAM, ask=("--version",), answer=VERSION)
