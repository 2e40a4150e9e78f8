"""Builds Go programs out of a wrapper module, whose go.mod and go.sum pin every source file by hash.

Where the sources come from is the user's Go configuration (GOPROXY and the rest); nothing here names a host.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools import command

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST_GO = (1, 21)  # the first that fetches the toolchain that a go.mod asks for
ASK_TIMEOUT_S = 30.0
DOWNLOAD_TIMEOUT_S = 900.0
BUILD_TIMEOUT_S = 2700.0


class BuildFailed(Exception):
    """The message is one line that says what failed."""


@dataclass(frozen=True, slots=True)
class Program:
    wrapper: Path
    """The folder with go.mod and go.sum."""
    package: str
    version_variable: str = ""
    """Go variable that the linker sets, as `import/path.Name=value`."""

    @property
    def name(self) -> str:
        return self.package.rpartition("/")[2]


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Reproducible, and deaf to a workspace or flags that surround the checkout."""
    flags = "-mod=readonly -trimpath -buildvcs=false"
    return {**environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": flags}


def toolchain() -> str:
    """Path of a `go` that can be used, or BuildFailed."""
    go = shutil.which("go")
    if go is None:
        raise BuildFailed("no `go` on PATH")
    version = _ask([go, "env", "GOVERSION"], cwd=Path("/"))
    if too_old(version):
        raise BuildFailed(f"{go} is {version}, which is older than 1.21")
    return go


def too_old(version: str) -> bool:
    """Whether `go1.19.8` cannot do it. A development version counts as new."""
    match = re.match(r"go(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) < OLDEST_GO


def build(program: Program, target: Path) -> None:
    """Build `program` into the folder `target`."""
    go = toolchain()
    linker = "-s -w" + (f" -X {program.version_variable}" if program.version_variable else "")
    argv = [*_nice(), go, "build", "-v", "-ldflags", linker, "-o", f"{target}{os.sep}", program.package]
    label = f"building {program.name} with Go"
    try:
        command.run(argv, label=label, timeout_s=BUILD_TIMEOUT_S, cwd=program.wrapper, env=environment())
    except command.CommandFailed as error:
        raise BuildFailed(f"building {program.name} {error.reason}: {_cause(error.output)}") from error


def module_folder(wrapper: Path, module: str) -> Path:
    """Where the sources of `module` lie, in the version that `wrapper` selects, verified against its go.sum."""
    argv = [toolchain(), "mod", "download", "-json", module]
    try:
        answer = command.run(
            argv, label=f"downloading {module}", timeout_s=DOWNLOAD_TIMEOUT_S, cwd=wrapper, env=environment()
        )
    except command.CommandFailed as error:
        raise BuildFailed(f"downloading {module} {error.reason}: {_cause(error.output)}") from error
    return Path(json.loads(answer)["Dir"])


def _ask(argv: list[str], *, cwd: Path) -> str:
    try:
        return command.run(argv, label=argv[0], timeout_s=ASK_TIMEOUT_S, cwd=cwd, env=environment()).strip()
    except command.CommandFailed as error:
        raise BuildFailed(str(error)) from error


def _nice() -> list[str]:
    nice = shutil.which("nice")
    return [] if nice is None else [nice, "-n", "10"]


def _cause(output: str) -> str:
    """The last complaint of `go`: no name of a package, no notice of a download, no indented advice."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    quiet = ("go: downloading ", "# ", "\t", " ")
    complaints = [line for line in lines if " " in line and not line.startswith(quiet)]
    return (complaints or lines or ["no output"])[-1]
