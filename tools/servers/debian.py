"""Servers out of Debian's own packages, unpacked into the cache and run from there: nothing is installed, nobody is root.

`<cache>/<name>/<version>-<os>-<architecture>/root` holds the packages that the machine lacks; a program on PATH is taken
before. The lists of packages are the cache's own, so that the machine's stay as they are.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools import cache, command
from tools.servers import ServerUnavailable

VERSION = "12"
TIMEOUT_S = 300.0
LOCK_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Program:
    """`file`: where the program lies in its package."""

    name: str
    packages: tuple[str, ...]
    file: str

    def folder(self) -> Path:
        return cache.root() / self.name / f"{VERSION}-{cache.host()}"

    def found(self) -> Found:
        """ServerUnavailable."""
        there = shutil.which(Path(self.file).name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if there is not None:
            return Found(Path(there), None)
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise ServerUnavailable(f"{self.name}: neither on PATH nor to be had: this is no Debian. Install it.")
        try:
            cache.install(
                self.folder(),
                self._make,
                serves=self._serves,
                label=f"it unpacks {self.name}",
                timeout_s=LOCK_TIMEOUT_S,
            )
        except (command.CommandFailed, cache.LockBusy, OSError) as error:
            raise ServerUnavailable(
                f"{self.name}: {error}. Install it, or give the machine a Debian mirror."
            ) from error
        root = self.folder() / "root"
        return Found(root / self.file, root)

    def _make(self, partial: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="drstack-apt-") as made:
            lists, kept = Path(made) / "lists" / "partial", Path(made) / "cache" / "archives" / "partial"
            lists.mkdir(parents=True)
            kept.mkdir(parents=True)
            options = [
                "-o",
                f"Dir::State::lists={lists.parent}",
                "-o",
                f"Dir::Cache={kept.parents[1]}",
                "-o",
                "Debug::NoLocking=1",
            ]
            label = f"getting {self.name} from Debian"
            command.run(["apt-get", "-q", *options, "update"], label=label, timeout_s=TIMEOUT_S)
            wanted = ["--download-only", "--no-install-recommends", "-y", "install", *self.packages]
            command.run(["apt-get", "-q", *options, *wanted], label=label, timeout_s=TIMEOUT_S)
            for package in sorted(kept.parent.glob("*.deb")):
                command.run(["dpkg-deb", "-x", str(package), str(partial / "root")], label=label, timeout_s=TIMEOUT_S)

    def _serves(self, kept: Path) -> bool:
        return (kept / "root" / self.file).exists()


@dataclass(frozen=True, slots=True)
class Found:
    """`root`: where its package is unpacked; None where it is installed."""

    program: Path
    root: Path | None

    def environment(self) -> dict[str, str]:
        """Variables with which it starts: its libraries lie beside it."""
        if self.root is None:
            return dict(os.environ)
        libraries = ":".join(str(path) for path in sorted((self.root / "usr" / "lib").glob("*-linux-gnu")))
        return {**os.environ, "LD_LIBRARY_PATH": libraries}

    def modules(self, name: str) -> Path:
        """The folder of a program's modules."""
        base = self.root or Path("/")
        return next(iter(sorted((base / "usr" / "lib").glob(f"*-linux-gnu/{name}"))), base)


NAMED = Program("bind", ("bind9",), "usr/sbin/named")
POWERDNS = Program("powerdns", ("pdns-server", "pdns-backend-sqlite3"), "usr/sbin/pdns_server")
