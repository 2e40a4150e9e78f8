"""Python and torch in an interpreter's folders, without importing torch, which takes seconds and may touch the GPU."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
from pathlib import Path

from replicator.versions.document import Software

_MAX_BYTES = 1 << 16


def software_here() -> Software:
    """Of this interpreter. `torch` is None where there is none."""
    torch, cuda = _torch()
    major = (cuda or "").partition(".")[0]
    return Software(
        python=platform.python_version(), torch=torch, cuda=cuda,
        cudnn=_version(f"nvidia-cudnn-cu{major}") if major else None,
        nccl=_version(f"nvidia-nccl-cu{major}") if major else None,
    )  # fmt: skip


def _torch() -> tuple[str | None, str | None]:
    """(version, the CUDA that it was built for) as torch's own version.py says."""
    try:
        spec = importlib.util.find_spec("torch")
    except (ImportError, ValueError):
        return None, None
    if spec is None or spec.origin is None:
        return None, None
    try:
        with (Path(spec.origin).parent / "version.py").open(encoding="utf-8", errors="replace") as file:
            text = file.read(_MAX_BYTES)
    except OSError:
        return _version("torch"), None
    version = re.search(r"^__version__ = ['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    cuda = re.search(r"^cuda(?:: [^=]+)? = ['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    return version[1] if version else _version("torch"), cuda[1] if cuda else None


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
