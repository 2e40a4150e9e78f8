"""The engine out of the official release archive, checked against the release's own list of checksums."""

from __future__ import annotations

import hashlib
import queue
import shutil
import tarfile
import threading
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import IO, TYPE_CHECKING, cast

from tools.engine import binary
from tools.engine.choice import Unserved
from tools.engine.version import WANTED, Version
from tools.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

RELEASES = "https://get.pulumi.com/releases/sdk"
REACH_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
DOWNLOAD_TIMEOUT_S = 900.0
CHUNK_BYTES = 1 << 20
MIB = 1 << 20
OF_HOST = {
    "linux-amd64": "linux-x64",
    "linux-arm64": "linux-arm64",
    "darwin-amd64": "darwin-x64",
    "darwin-arm64": "darwin-arm64",
}


def archive_name(host: str, version: Version = WANTED) -> str:
    if host not in OF_HOST:
        raise Unserved(f"no release for {host}")
    return f"pulumi-v{version}-{OF_HOST[host]}.tar.gz"


def digest_of(name: str, checksums: str) -> str:
    """SHA-256 of the archive `name` by the release's list, whose lines are `<hex>  <name>`."""
    for line in checksums.splitlines():
        digest, _, listed = line.strip().partition(" ")
        if listed.strip().lstrip("*") == name:
            return digest.lower()
    raise Unserved(f"the release's checksums do not list {name}")


def fetch(target: Path, *, host: str, site: str = RELEASES) -> None:
    """Put the engine's programs into the folder `target`. Raises Unserved."""
    name = archive_name(host)
    expected = digest_of(name, _checksums(f"{site}/pulumi-{WANTED}-checksums.txt"))
    archive = target.parent / name
    try:
        actual = _download(f"{site}/{name}", archive)
        if actual != expected:
            raise Unserved(f"{name} has SHA-256 {actual}, the release lists {expected}")
        _unpack(archive, target)
    except (OSError, HTTPException, tarfile.TarError) as error:
        raise Unserved(f"{site}/{name}: {_cause(error)}") from error
    finally:
        archive.unlink(missing_ok=True)


def wanted(member: str) -> bool:
    """Only the CLI and what it needs for Python; the other languages' hosts would take ten times the room."""
    folder, _, name = member.partition("/")
    return folder == "pulumi" and "/" not in name and (name == binary.CLI or "python" in name)


def _checksums(url: str) -> str:
    """Ask in a thread: a name server or a route that swallows packets outlasts any socket's own timeout."""
    answer: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with _open(url, REACH_TIMEOUT_S) as response:
                answer.put(response.read().decode(errors="replace"))
        except (OSError, HTTPException) as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        got = answer.get(timeout=REACH_TIMEOUT_S)
    except queue.Empty:
        raise Unserved(f"{url}: no answer within {REACH_TIMEOUT_S:.0f} s") from None
    if isinstance(got, Exception):
        raise Unserved(f"{url}: {_cause(got)}") from got
    return got


def _download(url: str, target: Path) -> str:
    digest = hashlib.sha256()
    progress = Progress(f"downloading {url}")
    with _open(url, READ_TIMEOUT_S) as response, target.open("wb") as file:
        try:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                progress.tick(f"{file.tell() / MIB:.0f} MiB")
                if progress.elapsed_s() > DOWNLOAD_TIMEOUT_S:
                    raise TimeoutError(f"not whole after {DOWNLOAD_TIMEOUT_S:.0f} s")
        finally:
            progress.close()
    return digest.hexdigest()


def _unpack(archive: Path, target: Path) -> None:
    """By hand: only regular files with a plain name leave the archive, whatever else is in it."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            source = tar.extractfile(member) if member.isreg() and wanted(member.name) else None
            if source is not None:
                _write_executable(source, target / member.name.rpartition("/")[2])


def _write_executable(source: IO[bytes], path: Path) -> None:
    with source, path.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK_BYTES)
    path.chmod(0o755)


def _open(url: str, timeout_s: float) -> HTTPResponse:
    return cast("HTTPResponse", urllib.request.urlopen(url, timeout=timeout_s))  # noqa: S310 (the site is ours to name)


def _cause(error: Exception) -> str:
    """What happened is wrapped by urllib; the wrapped word is the useful one."""
    reason = getattr(error, "reason", error)
    return str(reason) or type(error).__name__
