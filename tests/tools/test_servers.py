from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tools.notrun import not_run
from tools.servers import ServerUnavailable, caddy, versitygw

if TYPE_CHECKING:
    from pathlib import Path


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
