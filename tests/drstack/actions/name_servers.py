"""Real name servers on free loopback ports, ended with the test: PowerDNS with its API, and bind with a TSIG key."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import secrets
import sqlite3
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query

from tests.drstack.actions.pair import free_port
from tools.notrun import not_run
from tools.servers import ServerUnavailable, debian

ZONE = "dr.test."


@dataclass
class NameServer:
    port: int
    key: str
    api: str = ""

    def says(self, name: str, kind: str = "A") -> tuple[int, list[str]] | None:
        answer = dns.query.tcp(dns.message.make_query(name, kind), "127.0.0.1", port=self.port, timeout=10)
        return (answer.answer[0].ttl, sorted(each.to_text() for each in answer.answer[0])) if answer.answer else None


def _program(program: debian.Program) -> debian.Found:
    try:
        return program.found()
    except ServerUnavailable as error:
        not_run(str(error))


@contextlib.contextmanager
def _running(found: debian.Found, arguments: list[str], made: NameServer, folder: Path) -> Generator[NameServer]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [found.program, *arguments], env=found.environment(), stdout=log, stderr=subprocess.STDOUT, cwd=folder
        )
    try:
        ends = time.monotonic() + 60
        while not _answers(made):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < ends, (folder / "log").read_text()
            time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(made: NameServer) -> bool:
    if made.api:
        connection = http.client.HTTPConnection("127.0.0.1", int(made.api.rpartition(":")[2]), timeout=5)
        try:
            connection.request("GET", "/api/v1/servers/localhost", headers={"X-API-Key": made.key})
            if connection.getresponse().status != 200:
                return False
        except OSError:
            return False
        finally:
            connection.close()
    try:
        dns.query.tcp(dns.message.make_query(ZONE, "SOA"), "127.0.0.1", port=made.port, timeout=5)
    except (OSError, EOFError, dns.exception.DNSException):
        return False
    return True


@contextlib.contextmanager
def powerdns(folder: Path) -> Generator[NameServer]:
    found = _program(debian.POWERDNS)
    database = sqlite3.connect(folder / "zones.sqlite3")
    schema = (found.root or Path("/")) / "usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
    database.executescript(schema.read_text())
    database.execute("insert into domains (id, name, type) values (1, 'dr.test', 'NATIVE')")
    records = [
        ("dr.test", "SOA", "ns.dr.test admin.dr.test 1 3600 600 86400 60", 60), ("dr.test", "NS", "ns.dr.test", 60),
        ("api.dr.test", "A", "10.0.0.1", 5),
    ]  # fmt: skip
    database.executemany("insert into records (domain_id, name, type, content, ttl) values (1, ?, ?, ?, ?)", records)
    database.commit()
    database.close()
    made = NameServer(free_port(), secrets.token_hex(8), f"http://127.0.0.1:{free_port()}")
    told = {
        "launch": "gsqlite3", "gsqlite3-database": folder / "zones.sqlite3", "local-address": "127.0.0.1",
        "local-port": made.port, "socket-dir": folder, "webserver": "yes", "webserver-address": "127.0.0.1",
        "webserver-port": made.api.rpartition(":")[2], "api": "yes", "api-key": made.key, "cache-ttl": 0,
        "query-cache-ttl": 0, "negquery-cache-ttl": 0, "zone-cache-refresh-interval": 0, "module-dir": found.modules("pdns"),
    }  # fmt: skip
    (folder / "pdns.conf").write_text("".join(f"{name}={value}\n" for name, value in told.items()))
    arguments = [f"--config-dir={folder}", "--daemon=no", "--guardian=no", "--disable-syslog", "--setuid=", "--setgid="]
    with _running(found, arguments, made, folder) as running:
        yield running


@contextlib.contextmanager
def bind(folder: Path) -> Generator[NameServer]:
    found = _program(debian.NAMED)
    made = NameServer(free_port(), base64.b64encode(os.urandom(32)).decode())
    (folder / "dr.test.zone").write_text(
        "$TTL 60\n@ IN SOA ns admin 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\napi 5 IN A 10.0.0.1\n"
    )
    (folder / "named.conf").write_text(
        f'options {{ directory "{folder}"; pid-file "{folder}/pid"; session-keyfile "{folder}/session.key"; '
        f"listen-on port {made.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; }};\n"
        f'key "mover" {{ algorithm hmac-sha256; secret "{made.key}"; }};\ncontrols {{ }};\n'
        'zone "dr.test" { type primary; file "dr.test.zone"; update-policy { grant mover zonesub ANY; }; };\n'
    )
    with _running(found, ["-g", "-c", str(folder / "named.conf"), "-n", "1"], made, folder) as running:
        yield running
