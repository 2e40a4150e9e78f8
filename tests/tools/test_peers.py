from __future__ import annotations

import subprocess

import pytest

from tools.peers.programs import PEERS, RESTIC, kept, on_path
from tools.servers import ServerUnavailable


def test_a_peer_that_would_have_to_be_built_is_not_there_yet(tmp_path, monkeypatch):
    monkeypatch.setenv("DRSTACK_CACHE", str(tmp_path))
    assert kept("restic") is None
    program = RESTIC.folder() / "bin" / "restic"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho restic 0.18.1\n")
    program.chmod(0o755)
    assert kept("restic") == program


def test_says_which_package_brings_what_is_not_on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kept("borg") is None
    with pytest.raises(ServerUnavailable, match="Install the package borgbackup"):
        on_path("borg", "borgbackup")


def test_a_peer_that_was_built_is_of_the_pinned_version():
    program = kept("restic")
    if program is None:
        pytest.skip("only `make bench` builds it")
    said = subprocess.run([program, "version"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert said.startswith(f"restic {RESTIC.version} ")
    assert set(PEERS) == {"restic", "rclone", "borg", "zstd"}
