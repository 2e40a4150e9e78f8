"""`drstack serve`: judges an environment's readiness again and again, for Prometheus and whoever asks."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Annotated

import typer


def serve(
    environment: Annotated[str, typer.Argument(help="The environment's name.")],
    *,
    every: Annotated[float, typer.Option("--every", min=1.0, help="Seconds between two looks.")] = 60.0,
    listen: Annotated[
        str, typer.Option("--listen", help="IP:PORT for /metrics, /healthz, /readyz and /readiness.json.")
    ] = "127.0.0.1:9465",
) -> None:
    """Judge readiness every few seconds until SIGTERM, and serve it. What is away is a finding, and ends nothing."""
    from drstack.readiness.looking import Looking
    from drstack.readiness.service import Service
    from replicator.cli.options import stopping
    from replicator.service.http import address, answering

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping(stop))
    service = Service(Looking(environment), every_s=every)
    with answering(address(listen), service.pages(), name="drstack") as port:
        sys.stderr.write(f"listening on port {port}: /metrics /healthz /readyz /readiness.json\n")
        service.run(stop)
