"""MLflow at one point: its database, and every artefact that its rows name.

MLflow writes an artefact before the row that names it and never moves it: artefacts copied after the database's point was
fixed hold all that the point names. It is checked nonetheless; what only newer rows name is left out.
"""

from __future__ import annotations

import fcntl
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from replicator.consistency.system import Kept
from replicator.errors import PointNotMade

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.consistency.database import Database

ARTIFACTS = "artifacts"
_FICLONE = 0x40049409
_VERSIONS = (
    "SELECT name, version, run_id, COALESCE(storage_location, source) FROM model_versions ORDER BY name, version"
)
_RUNS = "SELECT run_uuid, artifact_uri, start_time FROM runs WHERE lifecycle_stage = 'active' ORDER BY run_uuid"
_LOGGED = "SELECT model_id, artifact_location FROM logged_models ORDER BY model_id"
_TABLES = "SELECT COUNT(*) FROM {table}"


@dataclass(slots=True)
class Mlflow:
    """A tracking and registry database with the artefacts below `artifacts`, a folder that this machine sees.

    `root`: how rows name that folder, where that is not its path: `mlflow-artifacts:/` behind a server.
    """

    database: Database
    artifacts: Path
    root: str | None = None
    timeout_s: float = 300.0
    name: str = "mlflow"
    kind: str = "mlflow"

    def quiesce(self) -> None:
        self.database.begin()

    def keep(self, into: Path) -> Kept:
        self.database.dump(into)
        facts = {**self.database.facts(), **self.rows()}
        files = sum(_copy(self.artifacts, into / ARTIFACTS, place) for place in self._named())
        self.require_artifacts(into / ARTIFACTS)
        return Kept(f"{facts['runs']} runs, {facts['model_versions']} model versions, {files} artefacts", facts)

    def release(self) -> None:
        self.database.end()

    def rows(self) -> dict[str, str]:
        """What a restore is checked against: how much there is, and the newest version of every model with its run."""
        facts: dict[str, str] = {}
        for table in ("runs", "model_versions", "metrics"):
            facts[table] = self.database.query(_TABLES.format(table=table))[0][0]
        newest: dict[str, tuple[int, str]] = {}
        for name, version, run, _ in self.database.query(_VERSIONS):
            newest[name] = max(newest.get(name, (0, "")), (int(version), run))
        facts |= {f"model {name}": f"{version} of run {run}" for name, (version, run) in newest.items()}
        starts = [int(start) for _, _, start in self.database.query(_RUNS) if start]
        return facts | {"newest_run_ms": str(max(starts, default=0))}

    def require_artifacts(self, folder: Path) -> None:
        """PointNotMade unless everything that a registered model version is made of is below `folder`."""
        for name, version, _, location in self.database.query(_VERSIONS):
            place = self._place(self._resolved(location))
            if (
                not any((folder / place).rglob("*") if (folder / place).is_dir() else [(folder / place)])
                or not (folder / place).exists()
            ):
                raise PointNotMade(f"model {name} version {version}: its artefacts at {place} are missing")

    def require_same(self, facts: Mapping[str, str]) -> None:
        """PointNotMade unless the rows are those of the point: none missing, none newer."""
        here = self.rows()
        for key, value in here.items():
            if facts.get(key) != value:
                raise PointNotMade(f"{key}: {value} here, {facts.get(key, 'none')} at the point")
        for key in facts:
            if key.startswith("model ") and key not in here:
                raise PointNotMade(f"{key} is missing; at the point it was {facts[key]}")

    def _named(self) -> list[PurePosixPath]:
        """Where rows say that artefacts are, each once and none within another."""
        uris = [uri for _, uri, _ in self.database.query(_RUNS)]
        uris += [location for _, location in self._logged()]
        uris += [self._resolved(location) for _, _, _, location in self.database.query(_VERSIONS)]
        places = sorted({self._place(uri) for uri in uris if uri})
        return [each for each in places if not any(other in each.parents for other in places)]

    def _logged(self) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self.database.query(_LOGGED)]

    def _resolved(self, location: str) -> str:
        """`models:/m-…` names a logged model, which has a place of its own."""
        if not location.startswith("models:/"):
            return location
        identity = location.removeprefix("models:/").split("/")[0]
        for known, place in self._logged():
            if known == identity:
                return place
        raise PointNotMade(f"{location} names a logged model that has no row")

    def _place(self, uri: str) -> PurePosixPath:
        """A URI's path below the artefacts' root. PointNotMade if it lies elsewhere."""
        root = self.root or self.artifacts.absolute().as_uri()
        for prefix in (root.rstrip("/"), str(self.artifacts.absolute())):
            if uri == prefix or uri.startswith(f"{prefix}/"):
                place = PurePosixPath(unquote(urlsplit(uri[len(prefix) :]).path).lstrip("/"))
                if ".." in place.parts:
                    break
                return place
        raise PointNotMade(
            f"artefacts at {uri} are not below {root}", hint="Give the folder that holds all of them, or root=."
        )


def _copy(source: Path, target: Path, place: PurePosixPath) -> int:
    """Copy what lies at a place, if anything does: a run may have logged nothing. How many files."""
    top = source / place
    files = [top] if top.is_file() else [path for path in sorted(top.rglob("*")) if path.is_file()]
    for path in files:
        to = target / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        _clone(path, to)
    return len(files)


def _clone(source: Path, target: Path) -> None:
    """Share the blocks where the file system can (no bytes move while the ranks stand still), else copy."""
    try:
        with source.open("rb") as old, target.open("xb") as new:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        shutil.copystat(source, target)
    except OSError:
        shutil.copy2(source, target)
