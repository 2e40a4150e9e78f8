"""Working trees of git, for tests of what a checkpoint's code is."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always",
         *arguments], capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout.strip()


def tree(folder: Path) -> Path:
    """A repository of one commit: a program, a binary file, and what is ignored."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "train.py").write_text("print(1)\nprint(2)\n")
    (folder / "table.bin").write_bytes(bytes(range(256)) * 4)
    (folder / ".gitignore").write_text("outputs/\n*.log\n")
    (folder / "uv.lock").write_text("version = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def changed(folder: Path) -> Path:
    """Changes of every kind that a patch must carry."""
    (folder / "train.py").write_text("print(1)\nprint(3)\n")
    (folder / "table.bin").write_bytes(bytes(reversed(range(256))) * 4)
    (folder / "new").mkdir()
    (folder / "new" / "model äöü.py").write_text("x = 1\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
