"""`/metrics`, `/healthz` and `/readyz` of a replicator. Nothing secret is told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CONTENT_TYPE_LATEST

from replicator.service.http import Page, address, answering, of_health
from replicator.service.metrics import exposition

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from replicator.service.health import Health
    from replicator.service.metrics import Reading

__all__ = ["Told", "address", "listening"]


class Told(Protocol):
    """A service that can say how it is."""

    def readings(self) -> Iterable[Reading]: ...

    def lives(self) -> Health: ...

    def ready(self) -> Health: ...


@contextmanager
def listening(where: tuple[str, int], service: Told) -> Generator[int]:
    """Answer while the block runs; yields the port. ReplicatorError if the address cannot be had."""
    pages = {
        "/metrics": lambda: Page(200, CONTENT_TYPE_LATEST, exposition(service.readings)),
        "/healthz": lambda: of_health(service.lives()),
        "/readyz": lambda: of_health(service.ready()),
    }
    with answering(where, pages, name="replicator") as port:
        yield port
