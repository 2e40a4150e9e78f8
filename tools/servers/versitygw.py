"""versitygw, an S3 server over a folder: real signatures, checksums, conditional puts and object lock."""

from __future__ import annotations

from pathlib import Path

from tools import gobuild
from tools.servers.built import BuiltServer

VERSION = "1.8.0"
PROGRAM = gobuild.Program(
    Path(__file__).parent / "versitygw",
    "github.com/versity/versitygw/cmd/versitygw",
    f"main.Version=v{VERSION}",
)
SERVER = BuiltServer("versitygw", VERSION, PROGRAM, ask=("--version",), answer=VERSION)


def folder() -> Path:
    return SERVER.folder()


def binary() -> Path:
    """Path of the server's program, built first where the cache has none. Raises ServerUnavailable."""
    return SERVER.binary()
