"""A service for one folder without a configuration file: what `replicator watch` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.repository.repository import Repository
from replicator.service.config import Destination, ServiceConfig, WatchedWorkload
from replicator.service.once import open_for
from replicator.service.service import Service
from replicator.stores.url import open_store

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path


def follow(
    path: Path,
    urls: Sequence[str],
    *,
    workload: str,
    writer: str,
    spool: Path | None,
    once: bool,
    report: Callable[[dict[str, object]], None],
    stop: threading.Event,
) -> str | None:
    """Ship until `stop` is set, or until nothing is pending with `once`. Returns why a seal ended it, else None."""
    for url in urls:
        open_for(Repository(url, open_store(url)), workload, writer)
    where = (spool or path / ".drstack-spool").absolute()
    where.mkdir(parents=True, exist_ok=True)
    names = [writer, *(f"{writer}-copy-{n}" for n in range(2, len(urls) + 1))]
    config = ServiceConfig(
        site=writer, own=writer, workloads=(WatchedWorkload(name=workload, path=str(path.absolute())),),
        destinations=tuple(Destination(name=n, url=u) for n, u in zip(names, urls, strict=True)),
        spool=str(where), status_file=str(where / "status.json"), verify_own=False,
    )  # fmt: skip
    service = Service(config)
    if once:
        return service.drain(report, stop)
    return service.follow(report, stop)
