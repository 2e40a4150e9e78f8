"""toxiproxy, a TCP proxy that is told over HTTP to be slow, to cut, to reset or to swallow answers."""

from __future__ import annotations

from pathlib import Path

from tools import gobuild
from tools.servers.built import BuiltServer

VERSION = "2.12.0"
PROGRAM = gobuild.Program(
    Path(__file__).parent / "toxiproxy",
    "github.com/Shopify/toxiproxy/v2/cmd/server",
    f"github.com/Shopify/toxiproxy/v2.Version={VERSION}",
)
SERVER = BuiltServer("toxiproxy", VERSION, PROGRAM, ask=("-version",), answer=VERSION)
