"""`replicator run`: the service of one site."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.options import Idle


def run(
    config: Annotated[Path, typer.Option("--config", help="JSON file; its fields are in docs/replicator.md.")],
    listen: Annotated[
        str | None, typer.Option("--listen", help="IP:PORT for /metrics, /healthz and /readyz; none by default.")
    ] = None,
    *,
    idle: Idle = False,
) -> None:
    """Run the replicator of a site until SIGTERM: watch, ship, verify, keep. SIGTERM drains, for drain_s at most."""
    from replicator.cli.options import give_way, stopping
    from replicator.service.config import Reread, read_config
    from replicator.service.holding import holding
    from replicator.service.listen import address, listening
    from replicator.service.service import Service

    if idle:
        give_way()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping(stop))
    where = None if listen is None else address(listen)
    told = Reread(config)
    settings = read_config(config)
    with holding(Path(settings.spool)):
        service = Service(settings, told)
        with nullcontext() if where is None else listening(where, service) as port:
            if port is not None:
                sys.stderr.write(f"listening on port {port}: /metrics /healthz /readyz\n")
            service.run(stop)
