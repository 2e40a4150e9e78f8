"""A private PostgreSQL on a free loopback port, ended with the test. As root it runs as another user, as it demands."""

from __future__ import annotations

import contextlib
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


def binaries() -> Path:
    """The folder of PostgreSQL's server; NOT RUN where there is none."""
    places = [Path(found).parent for found in [shutil.which("initdb")] if found]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    for place in places:
        if all((place / name).exists() for name in ("initdb", "pg_ctl", "psql", "pg_dump", "pg_restore")):
            return place
    return not_run("PostgreSQL's server and client are not on this machine (apt install postgresql)")


@contextlib.contextmanager
def server() -> Generator[Server]:
    bin_ = binaries()
    folder = Path(tempfile.mkdtemp(prefix="drstack-pg-"))
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, "postgres")
        except LookupError:
            not_run("PostgreSQL does not run as root, and there is no user postgres")
        as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--reset-env")
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
                [bin_ / "createdb", "mlflow"], env={**os.environ, **made.environment, "PGDATABASE": "postgres"},
                check=True, capture_output=True, timeout=30,
            )  # fmt: skip
            yield made
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                made.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
