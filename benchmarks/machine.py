"""What was measured on: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LIBRARIES = ("blake3", "cryptography", "numpy", "zstandard", "pyfastcdc")
ASK_TIMEOUT_S = 30.0


def facts(work: Path, peers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of the machine, the file system of `work`, our libraries, and `peers` as (name, version)."""
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return [
        ("when", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())),
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("memory", f"{int(memory) / 2**20:.0f} GiB"),
        ("kernel", platform.release()),
        ("file system", _file_system(work)),
        ("drstack", _revision()),
        ("Python", f"{platform.python_version()}, compiled files there (no PYTHONDONTWRITEBYTECODE)"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in LIBRARIES)),
        ("peers", ", ".join(f"{name} {told}" for name, told in peers) or "none"),
    ]


def load() -> str:
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def said(argv: Sequence[str]) -> str:
    """The first line that a program writes."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except FileNotFoundError:
        return []


def _processor() -> str:
    named = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), None)
    return named.partition(":")[2].strip() if named else platform.machine()


def _file_system(folder: Path) -> str:
    best, kind = "", "unknown"
    for line in _lines("/proc/mounts"):
        _, point, system, *_ = line.split()
        if str(folder.resolve()).startswith(point) and len(point) >= len(best):
            best, kind = point, system
    return kind


def _revision() -> str:
    try:
        return said(["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"])
    except FileNotFoundError:
        return version("drstack")
