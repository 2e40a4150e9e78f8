from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.notrun import not_run
from tools.servers import ServerUnavailable, azurite, caddy, fakegcs, minio, toxiproxy, versitygw

if TYPE_CHECKING:
    from tools.servers.built import BuiltServer


@pytest.mark.server
def test_versitygw_is_of_the_pinned_version() -> None:
    try:
        program = versitygw.binary()
    except ServerUnavailable as error:
        not_run(str(error))
    ended = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)
    assert f"v{versitygw.VERSION}" in ended.stdout


@pytest.mark.server
def test_caddy_is_new_enough() -> None:
    try:
        program = caddy.binary()
    except ServerUnavailable as error:
        not_run(str(error))
    assert (caddy.release(program) or (0, 0)) >= caddy.OLDEST


def test_says_what_is_missing_where_caddy_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRSTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerUnavailable, match="no `go` on PATH") as unavailable:
        caddy.binary()
    assert "Install Caddy" in str(unavailable.value)


def test_says_what_is_missing_where_versitygw_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRSTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerUnavailable, match="no `go` on PATH") as unavailable:
        versitygw.binary()
    assert "module proxy" in str(unavailable.value)


def test_uses_what_the_cache_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRSTACK_CACHE", str(tmp_path))
    program = versitygw.folder() / "bin" / "versitygw"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'Version  : v{versitygw.VERSION}'\n")
    program.chmod(0o755)
    assert versitygw.binary() == program
    assert os.access(program, os.X_OK)


@pytest.mark.server
@pytest.mark.parametrize("server", [minio.SERVER, toxiproxy.SERVER, fakegcs.SERVER], ids=lambda server: server.name)
def test_each_built_server_is_there_and_answers(server: BuiltServer) -> None:
    try:
        program = server.binary()
    except ServerUnavailable as error:
        not_run(str(error))
    ended = subprocess.run([program, *server.ask], capture_output=True, text=True, timeout=60, check=True)
    assert server.answer in ended.stdout
    assert server.version in program.parts[-3]


@pytest.mark.server
def test_azurite_is_of_the_pinned_version() -> None:
    try:
        program = azurite.command_line()
    except ServerUnavailable as error:
        not_run(str(error))
    ended = subprocess.run([*program, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert azurite.VERSION in ended.stdout


def test_what_npm_installs_is_pinned_by_hashes_and_names_no_place_to_get_it_from() -> None:
    locked = json.loads((azurite.LOCKED / "package-lock.json").read_text())["packages"]
    assert locked[""]["dependencies"] == {"azurite": azurite.VERSION}
    others = {path: each for path, each in locked.items() if path}
    assert others["node_modules/azurite"]["version"] == azurite.VERSION
    assert [path for path, each in others.items() if not each.get("integrity", "").startswith("sha512-")] == []
    assert [path for path, each in others.items() if "resolved" in each] == []


def test_azurite_uses_the_node_of_the_locked_environment_and_says_what_is_missing_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert azurite.find().node.is_relative_to(azurite.CHECKOUT / ".venv")
    monkeypatch.setattr(azurite, "CHECKOUT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerUnavailable, match=r"no node in \.venv and none on PATH"):
        azurite.command_line()


def test_azurite_that_npm_cannot_install_is_told_with_npms_reason_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\necho 'npm error code EINTEGRITY' >&2\nexit 1\n")
    node.chmod(0o755)
    (tmp_path / "bin" / "npm").symlink_to(node)
    monkeypatch.setenv("DRSTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(azurite, "CHECKOUT", tmp_path)
    monkeypatch.setenv("PATH", f"{node.parent}:/usr/bin:/bin")
    with pytest.raises(ServerUnavailable, match="EINTEGRITY"):
        azurite.command_line()
    assert not azurite.folder().exists()
