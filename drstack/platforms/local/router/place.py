"""Where everything of a router lies, and the small files that say what it routes.

`router.json` keeps the port of each workload; `upstreams/<site>.json` is what Pulumi declares of a site;
`weights.json` is what actuators turned. Invariant: none of them lies in a site's folder, and a weight is never written
by an assignment older than the one that set it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from drstack.errors import ActuatorFailed
from drstack.platforms.local.atomic import read_json, write_json
from drstack.platforms.local.folder import SiteFolder, site_folder, socket_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Ports = dict[str, dict[str, tuple[int, ...]]]
"""Per workload and site, the ports of its replicas."""


@dataclass(frozen=True, slots=True)
class Weights:
    """`assignment`: number of the one that they were turned for; 0 where nothing was turned yet."""

    assignment: int
    by_workload: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class RouterPlace:
    """`processes` is a folder as a site's: supervisord, its socket, logs, and the mark of every process."""

    processes: SiteFolder

    @property
    def path(self) -> Path:
        return self.processes.path

    @property
    def config(self) -> Path:
        return self.processes.run / "caddy.json"

    @property
    def lock(self) -> Path:
        return self.path / "router"

    @property
    def weights_file(self) -> Path:
        return self.path / "weights.json"

    @property
    def listens_file(self) -> Path:
        return self.path / "router.json"

    def upstreams_file(self, site: str) -> Path:
        return self.path / "upstreams" / f"{site}.json"

    def make(self) -> None:
        for folder in (self.path / "upstreams", self.processes.programs, self.processes.logs):
            folder.mkdir(parents=True, exist_ok=True)

    def admin(self) -> Path:
        """The socket of the admin API. It is noted, because where it lies depends on who started the router."""
        note = self.processes.run / "admin"
        try:
            return type(note)(note.read_text().strip())
        except FileNotFoundError:
            address = socket_path(self.processes)
            chosen = address.with_name(f"{address.stem}-caddy.sock")
            self.processes.run.mkdir(parents=True, exist_ok=True)
            note.write_text(str(chosen))
            return chosen

    def sites(self) -> list[str]:
        return sorted(path.stem for path in (self.path / "upstreams").glob("*.json"))

    def declared(self) -> Ports:
        """What Pulumi declared of all sites."""
        found: Ports = {}
        for site in self.sites():
            body = self._read(self.upstreams_file(site))
            for workload, ports in cast("dict[str, list[int]]", body).items():
                found.setdefault(workload, {})[site] = tuple(ports)
        return found

    def declare(self, site: str, ports: Mapping[str, tuple[int, ...]]) -> None:
        write_json(self.upstreams_file(site), cast("Mapping[str, object]", dict(ports)))

    def listens(self) -> dict[str, int]:
        return {name: int(str(port)) for name, port in self._read(self.listens_file).items()}

    def listen(self, ports: Mapping[str, int]) -> None:
        write_json(self.listens_file, dict(ports))

    def weights(self) -> Weights:
        body = self._read(self.weights_file)
        if not body:
            return Weights(0, {})
        try:
            by_workload = {
                name: {site: int(weight) for site, weight in cast("dict[str, int]", each).items()}
                for name, each in cast("dict[str, object]", body["weights"]).items()
            }
            return Weights(int(str(body["assignment"])), by_workload)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ActuatorFailed(
                f"{self.weights_file} holds no weights ({error!r})", hint="Remove it: drstack up ENV."
            ) from error

    def turn(self, weights: Weights) -> None:
        turned = {name: dict(each) for name, each in weights.by_workload.items()}
        write_json(self.weights_file, {"assignment": weights.assignment, "weights": turned})

    def _read(self, path: Path) -> dict[str, object]:
        return read_json(path) or {}


def router_place(path: str | Path) -> RouterPlace:
    return RouterPlace(site_folder(path))
