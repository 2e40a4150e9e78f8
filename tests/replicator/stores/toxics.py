"""toxiproxy as a process in front of a server: its faults, told over its HTTP interface."""

from __future__ import annotations

import contextlib
import itertools
import json
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from tests.replicator.stores.processes import free_port, running
from tools.notrun import not_run
from tools.servers import ServerUnavailable, toxiproxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Stream = Literal["upstream", "downstream"]


@dataclass(frozen=True, slots=True)
class Toxiproxy:
    control: str
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def proxy(self, endpoint: str) -> ToxicProxy:
        """A proxy of its own to `endpoint`; healthy at first."""
        made = ToxicProxy(self, f"p{next(self._count)}", f"http://127.0.0.1:{free_port()}")
        ask = {"listen": urlsplit(made.endpoint).netloc, "upstream": urlsplit(endpoint).netloc, "enabled": True}
        self.tell("POST", "/proxies", {"name": made.name, **ask})
        return made

    def tell(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "drstack-tests"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.control}{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=30):
            pass


@dataclass(slots=True)
class ToxicProxy:
    owner: Toxiproxy
    name: str
    endpoint: str
    _added: list[str] = field(default_factory=list)

    def poison(self, kind: str, stream: Stream, *, share: float = 1.0, **attributes: int) -> None:
        """From now on: `latency`, `bandwidth` (KB/s), `timeout` (0 swallows), `reset_peer`, `limit_data` (bytes).

        `share` is the part of the connections that suffer it.
        """
        toxic = f"{kind}-{stream}"
        self.owner.tell(
            "POST",
            f"/proxies/{self.name}/toxics",
            {"name": toxic, "type": kind, "stream": stream, "toxicity": share, "attributes": attributes},
        )
        self._added.append(toxic)

    def heal(self) -> None:
        while self._added:
            self.owner.tell("DELETE", f"/proxies/{self.name}/toxics/{self._added.pop()}")

    def cut(self) -> None:
        """Refuse connections and end those there are."""
        self.owner.tell("POST", f"/proxies/{self.name}", {"enabled": False})

    def join(self) -> None:
        self.owner.tell("POST", f"/proxies/{self.name}", {"enabled": True})


@contextlib.contextmanager
def toxiproxy_server(folder: Path) -> Iterator[Toxiproxy]:
    """NOT RUN where the program cannot be had."""
    try:
        program = toxiproxy.SERVER.binary()
    except ServerUnavailable as error:
        not_run(str(error))
    port = free_port()
    with running(
        [str(program), "-host", "127.0.0.1", "-port", str(port)], folder, healthy=f"http://127.0.0.1:{port}/version"
    ):
        yield Toxiproxy(f"http://127.0.0.1:{port}")
