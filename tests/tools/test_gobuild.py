from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tools import gobuild
from tools.notrun import not_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("version", "answer"),
    [("go1.19.8", True), ("go1.20", True), ("go1.21.0", False), ("go1.26.8", False), ("devel go1.27-abc", False)],
)
def test_knows_a_go_that_is_too_old(*, version: str, answer: bool) -> None:
    assert gobuild.too_old(version) is answer


def test_says_that_there_is_no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(gobuild.BuildFailed, match="no `go` on PATH"):
        gobuild.toolchain()


def test_says_that_the_go_on_path_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go").write_text("#!/bin/sh\necho go1.19.8\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(gobuild.BuildFailed, match=r"go1\.19\.8, which is older"):
        gobuild.toolchain()


@pytest.fixture
def wrapper(tmp_path: Path) -> Path:
    if shutil.which("go") is None:
        not_run("no Go on PATH")
    folder = tmp_path / "wrapper"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.invalid/hello\n\ngo 1.21\n")
    (folder / "main.go").write_text('package main\n\nvar Word = "unset"\n\nfunc main() { println(Word) }\n')
    return folder


def test_builds_a_program_with_its_version_linked_in(wrapper: Path, tmp_path: Path) -> None:
    program = gobuild.Program(wrapper, "example.invalid/hello", "main.Word=v1.2.3")
    gobuild.build(program, tmp_path / "bin")
    ended = subprocess.run([tmp_path / "bin" / "hello"], capture_output=True, timeout=30, check=True)
    assert ended.stderr == b"v1.2.3\n"


def test_names_what_go_complained_about(wrapper: Path, tmp_path: Path) -> None:
    (wrapper / "main.go").write_text("package main\n\nfunc main() { missing() }\n")
    with pytest.raises(gobuild.BuildFailed, match="undefined: missing"):
        gobuild.build(gobuild.Program(wrapper, "example.invalid/hello"), tmp_path / "bin")


def test_refuses_a_module_that_go_sum_does_not_pin(wrapper: Path, tmp_path: Path) -> None:
    (wrapper / "go.mod").write_text("module example.invalid/hello\n\ngo 1.21\n\nrequire golang.org/x/sync v0.10.0\n")
    (wrapper / "main.go").write_text('package main\n\nimport _ "golang.org/x/sync/errgroup"\n\nfunc main() {}\n')
    with pytest.raises(gobuild.BuildFailed, match=r"missing go\.sum entry"):
        gobuild.build(gobuild.Program(wrapper, "example.invalid/hello"), tmp_path / "bin")
