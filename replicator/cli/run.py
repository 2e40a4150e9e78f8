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
    import logging
    import sys

    import structlog

    from replicator.cli.options import stopping
    from replicator.service.config import read_config
    from replicator.service.service import Service

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping(stop))
    Service(read_config(config)).run(stop)
