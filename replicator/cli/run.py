"""`replicator run`: the service of one site."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer


def run(
    config: Annotated[Path, typer.Option("--config", help="JSON file; its fields are in docs/replicator.md.")],
) -> None:
    """Run the replicator of a site until SIGTERM: watch, ship, verify, keep."""
    from replicator.cli.options import stopping
    from replicator.service.config import read_config
    from replicator.service.service import Service

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping(stop))
    Service(read_config(config)).run(stop)
