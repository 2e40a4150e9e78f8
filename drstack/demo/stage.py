"""The demo's own folder: a project, sites, witness and state that belong to nobody else, and the leash on all of it.

Whatever an earlier demo in the same folder left is ended and cleared first. Everything that is started here watches
the leash: when the demo dies, so does it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import yaml

from drstack.errors import DemoFailed
from drstack.platforms.local import processes
from drstack.platforms.local.folder import site_folder
from drstack.spec import load_environment
from drstack.spec.sites import default_folder

if TYPE_CHECKING:
    from pathlib import Path

    from drstack.spec import Environment

ENVIRONMENT = "local"
_OURS = ("project", "root", "lost", "reference", "rehearsal", "leash")


@dataclass(slots=True)
class Stage:
    """`directory` holds: project/ (Pulumi), root/ (sites, witness, state), lost/ (the dead site's folder), reference/."""

    directory: Path
    source: Path
    """The project that the demo's is a copy of."""
    seed: int
    _held: list[int] = field(default_factory=list[int])

    @property
    def project(self) -> Path:
        return self.directory / "project"

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def lost(self) -> Path:
        return self.directory / "lost"

    @property
    def leash(self) -> Path:
        return self.directory / "leash"

    def site(self, name: str) -> Path:
        return self.root / default_folder(ENVIRONMENT, name)

    def router(self, environment: str) -> Path:
        return self.root / "routers" / environment

    def prepare(self, *, serve: bool = True, strategy: str | None = None) -> Environment:
        """Take the folder, clear what an earlier demo left, and write the project. DemoFailed if another demo has it.

        Without `serve`, nothing is served: its workloads are left out of the environment. `strategy` replaces the file's.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock()
        self.clear()
        os.mkfifo(self.leash, 0o600)
        self._held.append(os.open(self.leash, os.O_RDWR | os.O_CLOEXEC))
        os.environ["DRSTACK_LEASH"] = str(self.leash)
        os.environ["DRSTACK_ROOT"] = str(self.root)
        os.environ.pop("DRSTACK_KEYS", None)
        self.root.mkdir()
        return self._write_project(serve=serve, strategy=strategy)

    def clear(self) -> None:
        """End every process of a site that ever stood here, and remove what the demo makes."""
        for kept in (self.root / "sites", self.root / "sites" / ENVIRONMENT, self.root / "routers", self.lost):
            for folder in kept.iterdir() if kept.is_dir() else ():
                for where in (folder, self.site(folder.name), self.router(folder.name)):
                    processes.end(site_folder(where), deadline_s=10.0)
        for name in _OURS:
            path = self.directory / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let the leash go: whatever still runs here ends itself."""
        while self._held:
            os.close(self._held.pop())

    def _lock(self) -> None:
        lock = os.open(self.directory / "demo.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise DemoFailed(
                f"another demo is running in {self.directory}", hint="Wait for it, or choose another --directory."
            ) from error
        self._held.append(lock)

    def _write_project(self, *, serve: bool, strategy: str | None) -> Environment:
        shutil.copytree(
            self.source / "stacks", self.project / "stacks", ignore=shutil.ignore_patterns("Pulumi.*", "__pycache__")
        )
        engine = self.source / ".drstack" / "engine.json"
        if engine.exists():
            (self.project / ".drstack").mkdir()
            shutil.copy(engine, self.project / ".drstack" / "engine.json")
        settings = _mapping(yaml.safe_load((self.source / "Pulumi.yaml").read_text()))
        for plugin in settings.get("plugins", {}).get("providers", []):
            plugin["path"] = str((self.source / plugin["path"]).resolve())
        (self.project / "Pulumi.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        path = self.project / "stacks" / "environments" / f"{ENVIRONMENT}.yaml"
        declared = _mapping(yaml.safe_load(path.read_text()))
        declared["strategy"] = strategy or declared["strategy"]
        if not serve:
            declared["workloads"] = {n: each for n, each in declared["workloads"].items() if "serves" not in each}
        for workload in declared["workloads"].values():
            if "serves" in workload:
                continue
            workload["job"]["args"] = [*workload["job"].get("args", []), "--seed", self.seed]
        path.write_text(yaml.safe_dump(declared, sort_keys=False))
        return load_environment(path, name=ENVIRONMENT)


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value)
