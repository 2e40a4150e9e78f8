"""Getting the wheels of a kit: out of the cache, and what it lacks from the package index that pip is set up for.

Decides which file serves a pin on this machine. Invariant: a wheel is in the cache only whole and, where the lock names
digests, only with one of them; only binary wheels are taken, so that the standby needs no compiler.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from drstack.errors import KitNotMade
from drstack.kit.start import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from packaging.tags import Tag

    from drstack.kit.closure import Pin

DOWNLOAD_TIMEOUT_S = 1800.0
_ASIDE = ".new-"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where wheels are kept between kits: DRSTACK_CACHE, else the user's cache folder."""
    if own := environ.get("DRSTACK_CACHE"):
        return Path(own).expanduser().absolute() / "wheels"
    base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base.expanduser().absolute() / "drstack" / "wheels"


def wheels_for(pins: Sequence[Pin], cache: Path, say: Callable[[str], None]) -> tuple[Path, ...]:
    """A wheel in the cache for each pin, downloaded first where there is none. KitNotMade."""
    cache.mkdir(parents=True, exist_ok=True)
    tags = frozenset(sys_tags())
    missing = [pin for pin in pins if cached(pin, cache, tags) is None]
    if missing:
        say(f"downloading {len(missing)} wheels; {len(pins) - len(missing)} are in {cache}")
        for left in cache.glob(f"{_ASIDE}*"):
            if time.time() - left.stat().st_mtime > DOWNLOAD_TIMEOUT_S:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_ASIDE, dir=cache) as folder:
            _download(missing, Path(folder), say)
            for path in Path(folder).glob("*.whl"):
                path.replace(cache / path.name)
    found = {pin: cached(pin, cache, tags) for pin in pins}
    absent = [f"{pin.name} {pin.version}" for pin, path in found.items() if path is None]
    if absent:
        raise KitNotMade(f"no wheel of {', '.join(absent)} serves this machine")
    return tuple(path for path in found.values() if path is not None)


def cached(pin: Pin, cache: Path, tags: frozenset[Tag]) -> Path | None:
    """A wheel of the pin that runs here and has a digest of the lock."""
    for path in sorted(cache.glob("*.whl")):
        try:
            name, version, _, offered = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if (name, str(version)) != (pin.name, pin.version) or not tags & offered:
            continue
        if not pin.digests or sha256(path) in pin.digests:
            return path
    return None


def glibc_needed(names: Sequence[str]) -> str:
    """The oldest glibc on which all of these wheels run; empty where none of them asks for one."""
    needed = (0, 0)
    for name in names:
        asked = [
            (int(a), int(b)) for a, b in cast("list[tuple[str, str]]", re.findall(r"manylinux_(\d+)_(\d+)_", name))
        ]
        asked += [
            {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}[year] for year in re.findall(r"manylinux(1|20\d\d)_", name)
        ]
        needed = max(needed, min(asked, default=(0, 0)))
    return ".".join(map(str, needed)) if any(needed) else ""


def requirements(pins: Sequence[Pin], paths: Sequence[Path]) -> str:
    """A requirements file of exactly these wheels, by digest."""
    lines = [f"{pin.name}=={pin.version} --hash=sha256:{sha256(path)}" for pin, path in zip(pins, paths, strict=True)]
    return "".join(f"{line}\n" for line in lines)


def _download(pins: Sequence[Pin], into: Path, say: Callable[[str], None]) -> None:
    asked = into / "requirements.txt"
    lines = [
        " ".join([f"{pin.name}=={pin.version}", *(f"--hash=sha256:{d}" for d in sorted(pin.digests))]) for pin in pins
    ]
    asked.write_text("".join(f"{line}\n" for line in lines))
    hashes = ["--require-hashes"] if all(pin.digests for pin in pins) else []
    chosen = ["--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "--disable-pip-version-check", *hashes]
    command = [sys.executable, "-m", "pip", "download", "--dest", str(into), *chosen, "-r", str(asked)]
    code, last = watched(command, into, say, DOWNLOAD_TIMEOUT_S)
    if code:
        raise KitNotMade(
            f"wheels could not be downloaded: {last}",
            hint="See that the package index answers, and that pip is installed here (python -m pip --version).",
        )


def watched(command: Sequence[str], cwd: Path, say: Callable[[str], None], timeout_s: float) -> tuple[int, str]:
    """Run a program that downloads or builds, telling what it collects. Returns its code and its last error."""
    process = subprocess.Popen(
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    )  # fmt: skip
    late = threading.Timer(timeout_s, process.kill)
    late.start()
    last = ""
    try:
        for line in process.stdout or ():
            text = line.strip()
            if text.startswith("Collecting "):
                say(text.partition(" (from")[0].lower())
            last = text if text.startswith(("ERROR", "error")) or (text and not last.startswith("ERROR")) else last
        return process.wait(), last
    finally:
        late.cancel()
        if process.poll() is None:
            process.kill()
        process.wait()


def named(path: Path) -> tuple[str, str]:
    """Name and version of a wheel."""
    name, version, *_ = parse_wheel_filename(path.name)
    return canonicalize_name(name), str(version)


def copy(source: Path, target: Path) -> None:
    """A hard link where the disk is the same, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
