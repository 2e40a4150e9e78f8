"""A real PostgreSQL primary and its streaming standby, on loopback ports, each as a site's server."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from tests.replicator.consistency.postgres_server import server

PASSWORD = "pa5s-w0rd of the pair"


@dataclass
class Pair:
    bin: Path
    folder: Path
    as_user: tuple[str, ...]
    ports: dict[str, int]

    def address(self, site: str) -> str:
        return f"127.0.0.1:{self.ports[site]}"

    @property
    def servers(self) -> dict[str, str]:
        return {site: self.address(site) for site in self.ports}

    def sql(self, site: str, statement: str, user: str = "postgres") -> str:
        argv = [self.bin / "psql", "-h", "127.0.0.1", "-p", str(self.ports[site]), "-U", user, "-AtXqd", "postgres"]
        done = subprocess.run(
            [*argv, "-c", statement], env={**os.environ, "PGPASSWORD": PASSWORD}, capture_output=True, text=True,
            check=True, timeout=30,
        )  # fmt: skip
        return done.stdout.strip()

    def standby(self, site: str) -> bool:
        return self.sql(site, "select pg_is_in_recovery()") == "t"

    def control(self, site: str, *arguments: str) -> None:
        argv = [*self.as_user, self.bin / "pg_ctl", "-D", self.folder / site, "-w", "-t", "60", *arguments]
        log = self.folder / f"{site}.log"
        done = subprocess.run([*argv, "-l", log], capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + (log.read_text() if log.exists() else "")

    def stop(self, site: str, mode: str = "fast") -> None:
        self.control(site, "-m", mode, "stop")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def pair() -> Generator[Pair]:
    """East is the primary, west follows it; role `failover` may do no more than promote, by password."""
    with server() as first:
        made = Pair(first.bin, first.folder, first.as_user, {"east": first.port, "west": free_port()})
        (first.folder / "east").symlink_to(first.folder / "data")
        made.sql("east", f"create role failover login password '{PASSWORD}'")
        made.sql("east", "grant execute on function pg_promote to failover")
        made.sql("east", "create table t (i int); insert into t values (1)")
        hba = first.folder / "data" / "pg_hba.conf"
        hba.write_text("host all failover 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
        made.sql("east", "select pg_reload_conf()")
        argv = [*made.as_user, made.bin / "pg_basebackup", "-h", "127.0.0.1", "-p", str(made.ports["east"])]
        subprocess.run(
            [*argv, "-U", "postgres", "-D", first.folder / "west", "-R", "-X", "stream", "--checkpoint=fast"],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        options = f"-p {made.ports['west']} -c listen_addresses=127.0.0.1 -c unix_socket_directories={first.folder} -c fsync=off"
        made.control("west", "-o", options, "start")
        try:
            yield made
        finally:
            if (first.folder / "west" / "postmaster.pid").exists():
                made.stop("west", "immediate")


def caught_up(pair: Pair, rows: str) -> None:
    ends = time.monotonic() + 60
    while pair.sql("west", "select count(*) from t") != rows:
        assert time.monotonic() < ends
        time.sleep(0.05)
