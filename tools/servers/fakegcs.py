"""fake-gcs-server, Google Cloud Storage's JSON interface in memory. It does not say its version; the cache folder does."""

from __future__ import annotations

from pathlib import Path

from tools import gobuild
from tools.servers.built import BuiltServer

VERSION = "1.56.1"
PROGRAM = gobuild.Program(Path(__file__).parent / "fakegcs", "github.com/fsouza/fake-gcs-server")
SERVER = BuiltServer("fake-gcs-server", VERSION, PROGRAM, ask=("-help",), answer="")
