"""What differs between what a checkpoint was made with and what is at hand. Pure: two documents in, rows out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replicator.versions.document import Code, Container, Data, Document, Hardware, Lock, RegistryModel

_SHORT = 12


class Match(StrEnum):
    SAME = "same"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Row:
    """`then`: at the checkpoint; `now`: here. A side that is unknown says why."""

    about: str
    match: Match
    then: str
    now: str


def differ(then: Document, now: Document) -> tuple[Row, ...]:
    """One row for each thing that a run depends on, in the order in which a difference matters."""
    rows = [
        _row("code", then, now, "code", _code(then.code), _code(now.code)),
        _row("data", then, now, "data", _data(then.data), _data(now.data)),
        _row("model", then, now, "model", _registered(then.model), _registered(now.model)),
        _row("lock", then, now, "lock", *_locks(then.lock, now.lock)),
        _row("container", then, now, "container", _container(then.container), _container(now.container)),
    ]
    for field in ("python", "torch", "cuda", "cudnn", "nccl"):
        sides = [getattr(each.software, field, None) for each in (then, now)]
        rows.append(_row(field, then, now, "software", *sides))
    rows.append(
        _row("driver", then, now, "hardware", *[getattr(each.hardware, "driver", None) for each in (then, now)])
    )
    rows.append(_row("gpu", then, now, "hardware", _gpus(then.hardware), _gpus(now.hardware)))
    return tuple(rows)


def _row(about: str, then: Document, now: Document, section: str, was: str | None, here: str | None) -> Row:
    same = Match.SAME if was == here else Match.DIFFERS
    match = Match.UNKNOWN if was is None or here is None else same
    return Row(about, match, was or _unknown(then, section), here or _unknown(now, section))


def _unknown(document: Document, section: str) -> str:
    why = document.unknown.get(section)
    return f"unknown ({why})" if why else "unknown"


def _code(code: Code | None) -> str | None:
    if code is None:
        return None
    kept = {"none": "", "kept": ", patch kept", "partial": ", patch kept in part", "left out": ", patch not kept"}
    moved = [each for each in code.submodules if each.dirty]
    text = f"{code.commit[:_SHORT]}{' with changes' + kept[code.patch] if code.dirty else ''}"
    return text + (f", {len(moved)} changed submodule{'s' if len(moved) > 1 else ''}" if moved else "")


def _data(data: Data | None) -> str | None:
    return None if data is None else f"{data.source} {_short(data.version)}"


def _registered(model: RegistryModel | None) -> str | None:
    if model is None:
        return None
    return f"{model.name}/{model.version or '?'}" if model.name else f"run {model.run}"


def _locks(then: Lock | None, now: Lock | None) -> tuple[str | None, str | None]:
    """By a lock file that both have; else by what is installed; else there is nothing to compare."""
    if then is None or now is None:
        return _lock(then), _lock(now)
    for name, was in then.files.items():
        if name in now.files:
            return f"{name} {_short(was)}", f"{name} {_short(now.files[name])}"
    if then.installed and now.installed:
        return f"installed {_short(then.installed)}", f"installed {_short(now.installed)}"
    return _lock(then), None


def _lock(lock: Lock | None) -> str | None:
    if lock is None:
        return None
    named = [f"{name} {_short(value)}" for name, value in lock.files.items()]
    return named[0] if named else f"installed {_short(lock.installed or '')}"


def _container(container: Container | None) -> str | None:
    return None if container is None else container.digest or container.image


def _gpus(hardware: Hardware | None) -> str | None:
    if hardware is None:
        return None
    names = [gpu.name for gpu in hardware.gpus]
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names)) or "none"


def _short(digest: str) -> str:
    algorithm, _, value = digest.rpartition(":")
    return f"{algorithm}:{value[:_SHORT]}" if algorithm else value[:_SHORT]
