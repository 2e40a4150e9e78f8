"""drstack's own wheel: built from the checkout, or made again from what is installed.

Decides by how drstack is installed. Invariant: of an installation only files that still have the digest of its RECORD
go into the wheel; a changed one is refused, and named.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from drstack.errors import KitNotMade
from drstack.kit.closure import OWN
from drstack.kit.wheels import watched

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD_TIMEOUT_S = 300.0
_OF_THE_INSTALLER = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json")
_EPOCH = (2020, 2, 2, 0, 0, 0)


def own_wheel(into: Path, say: Callable[[str], None]) -> Path:
    """Put drstack's wheel into the folder. KitNotMade."""
    source = checkout()
    if source is None:
        return repacked(importlib.metadata.distribution(OWN), into)
    say("building drstack's own wheel")
    return _built(source, into, say)


def checkout() -> Path | None:
    """The folder that drstack is installed from editably."""
    told = importlib.metadata.distribution(OWN).read_text("direct_url.json")
    body = cast("dict[str, Any]", json.loads(told) if told else {})
    if not body.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(str(body["url"])).path))


def _built(source: Path, into: Path, say: Callable[[str], None]) -> Path:
    if importlib.util.find_spec("hatchling"):
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    else:
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(into), str(source)]
    code, last = watched(command, source, say, BUILD_TIMEOUT_S)
    built = sorted(into.glob(f"{OWN}-*.whl"))
    if code or len(built) != 1:
        raise KitNotMade(f"drstack's wheel could not be built from {source}: {last}", hint="make, then again.")
    return built[0]


def repacked(installed: importlib.metadata.Distribution, into: Path) -> Path:
    """The wheel that this installation came from, file by file as its RECORD has them."""
    parts = [part for part in installed.files or () if _of_the_wheel(str(part))]
    marks = [part for part in parts if part.name == "WHEEL" and part.parent.name.endswith(".dist-info")]
    if len(marks) != 1:
        raise KitNotMade(f"{OWN} is installed without a RECORD", hint="Install drstack by pip or uv, then again.")
    tags = [line.partition(": ")[2] for line in marks[0].read_text().splitlines() if line.startswith("Tag: ")]
    target = into / f"{marks[0].parent.name.removesuffix('.dist-info')}-{tags[0]}.whl"
    record: list[str] = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(parts, key=str):
            content = Path(str(part.locate())).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            if part.hash is None or (part.hash.mode, part.hash.value) != ("sha256", digest):
                raise KitNotMade(
                    f"{part.locate()} is not as it was installed",
                    hint="Install drstack anew (pip install --force-reinstall), then write the kit again.",
                )
            _put(archive, str(part), content, Path(str(part.locate())).stat().st_mode)
            record.append(f"{part},sha256={digest},{len(content)}")
        listed = f"{marks[0].parent}/RECORD"
        _put(archive, listed, "\n".join([*record, f"{listed},,", ""]).encode(), 0o644)
    return target


def _of_the_wheel(path: str) -> bool:
    """Not scripts and bytecode that the installer made, nor its own notes."""
    parts = PurePosixPath(path)
    made = parts.suffix == ".pyc" or ".." in parts.parts or parts.is_absolute()
    return not made and not (parts.parent.name.endswith(".dist-info") and parts.name in _OF_THE_INSTALLER)


def _put(archive: zipfile.ZipFile, name: str, content: bytes, mode: int) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (mode & 0o777 | 0o100000) << 16
    archive.writestr(entry, content)
