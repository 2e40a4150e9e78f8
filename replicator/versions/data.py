"""Which data a run reads: DVC's hashes where DVC is used, else a digest over the paths that were declared.

A file up to 64 MiB counts with all its bytes; a larger one with its size and three samples of a mebibyte, as data of
terabytes cannot be read for a checkpoint. The digest is the same wherever the data lies.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from blake3 import blake3

from replicator.versions.asking import Unknown
from replicator.versions.document import Data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from replicator.versions.code import Git

DECLARED = "DRSTACK_DATA"
_MAX_FILES = 100_000
_LISTED = 200
_MAX_DVC_BYTES = 16 << 20
_WHOLE_BYTES = 64 << 20
_SAMPLE_BYTES = 1 << 20
_BUDGET_S = 20.0


def declared_paths(environment: str | None) -> tuple[Path, ...]:
    return tuple(Path(each) for each in (environment or "").split(os.pathsep) if each)


def dvc_data(git: Git) -> Data | None:
    """What the .dvc files and dvc.lock of a repository pin; None where it uses no DVC. Unknown if one is unreadable."""
    listed = git.ask("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
    pinning = sorted(name for name in names if name.endswith(".dvc") or os.path.basename(name) == "dvc.lock")  # noqa: PTH119
    entries: dict[str, str] = {}
    for name in pinning:
        path = git.folder / name
        if path.is_file():
            for out, pinned in _outs(_load(path), name):
                entries[(Path(name).parent / out).as_posix()] = pinned
    return _version("dvc", entries) if entries else None


def _load(path: Path) -> object:
    import yaml  # noqa: PLC0415 - few need it, and every start of a service would wait for it

    try:
        if path.stat().st_size > _MAX_DVC_BYTES:
            raise Unknown(f"{path} is larger than a file of DVC is")
        return yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unknown(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def _outs(document: object, where: str) -> Iterator[tuple[str, str]]:
    """(path, hash) of each output; of dvc.lock also of what a stage depends on."""
    if not isinstance(document, dict):
        raise Unknown(f"{where} is no file of DVC")
    content = cast("dict[str, Any]", document)
    stages = content.get("stages")
    places = list(cast("dict[str, Any]", stages).values()) if isinstance(stages, dict) else [content]
    for place in places:
        if not isinstance(place, dict):
            raise Unknown(f"{where} is no file of DVC")
        stage = cast("dict[str, Any]", place)
        for each in [*_list(stage.get("deps")), *_list(stage.get("outs"))]:
            algorithm = each.get("hash", "md5")
            value = each.get(algorithm) or each.get("md5") or each.get("etag") or each.get("checksum")
            if isinstance(each.get("path"), str) and isinstance(value, str):
                yield each["path"], f"{algorithm}:{value}"


def _list(value: object) -> list[dict[str, Any]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", each) for each in items if isinstance(each, dict)]


def declared_data(paths: Sequence[Path]) -> Data:
    """A digest of what lies at each path. Unknown if one is gone or holds too many files."""
    until = time.monotonic() + _BUDGET_S
    entries: dict[str, str] = {}
    for path in paths:
        if not path.exists():
            raise Unknown(f"{path}, which {DECLARED} names, is not there")
        whole = blake3()
        for count, (name, file) in enumerate(_files(path), 1):
            if count > _MAX_FILES or time.monotonic() > until:
                raise Unknown(f"{path} holds too many files to look at: name a manifest of it in {DECLARED}")
            whole.update(f"{name}\0{_digest_of(file)}\n".encode(errors="surrogateescape"))
        entries[path.name] = f"blake3:{whole.hexdigest()}"
    return _version("declared", entries)


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(folder) / name
            yield file.relative_to(path).as_posix(), file


def _digest_of(path: Path) -> str:
    try:
        size = path.stat().st_size
        found = blake3(f"{size}\n".encode())
        with path.open("rb") as file:
            if size <= _WHOLE_BYTES:
                while chunk := file.read(1 << 20):
                    found.update(chunk)
            else:
                for offset in (0, (size - _SAMPLE_BYTES) // 2, size - _SAMPLE_BYTES):
                    file.seek(offset)
                    found.update(file.read(_SAMPLE_BYTES))
    except OSError as error:
        raise Unknown(f"{path}: {error.strerror or error}") from error
    return found.hexdigest()


def _version(source: Any, entries: dict[str, str]) -> Data:
    whole = blake3()
    for path in sorted(entries):
        whole.update(f"{path}\0{entries[path]}\n".encode(errors="surrogateescape"))
    shown = dict(sorted(entries.items())[:_LISTED])
    return Data(version=f"blake3:{whole.hexdigest()}", source=source, entries=shown)
