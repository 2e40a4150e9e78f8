from __future__ import annotations

import hashlib
import io
import socket
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tools.engine import release
from tools.engine.choice import Unserved
from tools.engine.version import WANTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "linux-amd64"
MEMBERS = {
    "pulumi/pulumi": b"the cli",
    "pulumi/pulumi-language-python": b"the host",
    "pulumi/pulumi-language-python-exec": b"its script",
    "pulumi/pulumi-language-nodejs": b"not ours",
    "pulumi/../../pulumi-python-escaped": b"hostile",
    "pulumi-python-at-top": b"hostile",
}


def archive() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, data in MEMBERS.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("pulumi/pulumi-python-link")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        tar.addfile(link)
    return content.getvalue()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        pass


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder that the release site serves."""
    name = release.archive_name(HOST)
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / name).write_bytes(archive())
    digest = hashlib.sha256(archive()).hexdigest()
    (folder / f"pulumi-{WANTED}-checksums.txt").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  {name}\n")
    return folder


@pytest.fixture
def site(files: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(files)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "made" / "bin"
    folder.mkdir(parents=True)
    return folder


def test_unpacks_the_programs_for_python_and_nothing_else(site: str, target: Path) -> None:
    release.fetch(target, host=HOST, site=site)
    unpacked = {path.name: path.read_bytes() for path in target.iterdir()}
    assert unpacked == {
        "pulumi": b"the cli",
        "pulumi-language-python": b"the host",
        "pulumi-language-python-exec": b"its script",
    }
    assert all(path.stat().st_mode & 0o111 for path in target.iterdir())
    assert list(target.parent.iterdir()) == [target]


def test_refuses_an_archive_whose_checksum_differs(site: str, files: Path, target: Path) -> None:
    (files / release.archive_name(HOST)).write_bytes(archive()[:-1])
    with pytest.raises(Unserved, match="has SHA-256"):
        release.fetch(target, host=HOST, site=site)
    assert list(target.iterdir()) == []


def test_refuses_an_archive_that_the_release_does_not_list(site: str, files: Path, target: Path) -> None:
    (files / f"pulumi-{WANTED}-checksums.txt").write_text(f"{'0' * 64}  other.tar.gz\n")
    with pytest.raises(Unserved, match="do not list"):
        release.fetch(target, host=HOST, site=site)


def test_says_what_the_site_answered(site: str, files: Path, target: Path) -> None:
    (files / release.archive_name(HOST)).unlink()
    with pytest.raises(Unserved, match=rf"{release.archive_name(HOST)}: File not found"):
        release.fetch(target, host=HOST, site=site)


def test_gives_up_soon_on_a_site_that_swallows_packets(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "REACH_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unserved, match=r"no answer within|timed out"):
        release.fetch(target, host=HOST, site=f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_has_a_release_for_the_usual_machines_only() -> None:
    assert release.archive_name("darwin-arm64") == f"pulumi-v{WANTED}-darwin-arm64.tar.gz"
    with pytest.raises(Unserved, match="no release for linux-riscv64"):
        release.archive_name("linux-riscv64")
