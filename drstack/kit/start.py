"""Make this recovery kit ready, without any network: `python3 start.py`.

It stands in the kit itself and needs nothing but Python. It refuses a kit with a missing, damaged or truncated file, or
one for another kind of machine; then it makes a virtual environment from the kit's own wheels, and prints the command
to type next. Run it again at any time: what is ready stays. Exit codes: 0 ready, 36 this kit cannot be used here,
38 it could not be made ready.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "kit.json"
FORMAT = 1
UNUSABLE, FAILED = 36, 38
READY = "ready"
INSTALL_TIMEOUT_S = 900.0
PROBE_TIMEOUT_S = 120.0
_CHUNK = 1 << 20
_LISTED = {"size", "sha256", "executable"}
_SAID_EVERY_S = 2.0


def main() -> int:
    """Verify, make ready, print the next command on stdout."""
    parser = argparse.ArgumentParser(description="Make this recovery kit ready, without any network.")
    parser.add_argument("--into", type=Path, help="folder for what is made (default: `ready` in the kit)")
    parser.add_argument("--verify", action="store_true", help="verify the kit and make nothing")
    given = parser.parse_args()
    kit = Path(__file__).resolve().parent
    manifest = _manifest(kit)
    _right_python(manifest)
    faults = [*unfit(manifest), *damage(kit, manifest, say=_say)]
    if faults:
        _refuse(faults, manifest)
    _say(f"{len(manifest['files'])} files of the kit are whole")
    if not given.verify:
        into = (given.into or kit / READY).absolute()
        try:
            command = make_ready(kit, into, manifest)
        except (OSError, subprocess.SubprocessError) as error:
            _say(f"error: the kit could not be made ready in {into}: {error}")
            _say("  next: free space or choose another folder with --into, then run the same command again")
            return FAILED
        _say("ready; RUNBOOK.md says what to do. To see what a promotion would do, then to promote:")
        sys.stdout.write(f"{command} --plan\n{command}\n")
    return 0


def read_manifest(kit: Path) -> dict[str, Any]:
    """The kit's manifest. ValueError if it is none that this version reads."""
    body: Any = json.loads((kit / NAME).read_bytes())
    if not isinstance(body, dict):
        raise ValueError("not a manifest")  # noqa: TRY004 - of the content of a file
    told = cast("dict[str, Any]", body)
    if told.get("kit") != FORMAT or not isinstance(told.get("files"), dict):
        raise ValueError(f"not a manifest of kit format {FORMAT}")
    shapes = {"environment": str, "site": str, "root": str, "platform": dict, "engine": dict}
    lacking = [name for name, shape in shapes.items() if not isinstance(told.get(name), shape)]
    lacking += [name for name, listed in told["files"].items() if not set(listed) >= _LISTED]
    if lacking:
        raise ValueError(f"incomplete: {', '.join(lacking)}")
    return told


def damage(kit: Path, manifest: dict[str, Any], say: Callable[[str], None] | None = None) -> list[str]:
    """Every file that is missing, not of its size or not of its digest, and every wheel that nobody listed."""
    faults: list[str] = []
    said = time.monotonic()
    for name, listed in sorted(manifest["files"].items()):
        path = kit / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            faults.append(f"{name}: lies outside of the kit")
        elif path.is_symlink() or not path.is_file():
            faults.append(f"{name}: is missing")
        elif path.stat().st_size != listed["size"]:
            faults.append(f"{name}: has {path.stat().st_size} bytes, {listed['size']} are listed")
        elif sha256(path) != listed["sha256"]:
            faults.append(f"{name}: is damaged: its SHA-256 is not the one listed")
        if time.monotonic() - said > _SAID_EVERY_S:
            said = time.monotonic()
            (say or _say)(f"verifying {name}")
    there = {f"wheels/{path.name}" for path in (kit / "wheels").glob("*")}
    faults += [f"{name}: is not of this kit" for name in sorted(there - set(manifest["files"]))]
    return faults


def unfit(manifest: dict[str, Any]) -> list[str]:
    """Why the kit is not for this machine."""
    wanted, here = manifest["platform"], this_platform()
    faults = [
        f"{NAME}: the kit is for {what} {wanted[what]}, this machine has {here[what]}"
        for what in ("system", "machine", "implementation")
        if wanted[what] != here[what]
    ]
    if wanted.get("glibc") and _numbers(here["glibc"]) < _numbers(wanted["glibc"]):
        faults.append(f"{NAME}: the kit needs glibc {wanted['glibc']}, this machine has {here['glibc'] or 'none'}")
    return faults


def this_platform() -> dict[str, str]:
    """What decides whether a wheel and the engine run here."""
    library, version = platform.libc_ver()
    return {
        "system": sys.platform,
        "machine": platform.machine(),
        "implementation": sys.implementation.name,
        "glibc": version if library == "glibc" else "",
    }


def sha256(path: Path) -> str:
    """The hexadecimal digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def make_ready(kit: Path, into: Path, manifest: dict[str, Any]) -> str:
    """Have the environment, the project and the command in `into`. Returns the command that promotes."""
    into.mkdir(parents=True, exist_ok=True)
    with (into / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = into / "stamp.json"
        made = {"kit": sha256(kit / NAME), "at": str(kit), "into": str(into)}
        if _stamped(stamp) != made or not _runs(into):
            stamp.unlink(missing_ok=True)
            _environment(kit, into)
            _project(kit, into, manifest)
            _keys(kit, into)
            _command(into, manifest)
            stamp.write_text(json.dumps(made))
    return shlex.join([str(into / "drstack"), "promote", manifest["environment"], "--to", manifest["site"]])


def _environment(kit: Path, into: Path) -> None:
    target = into / "venv"
    _say(f"making {target} from the kit's wheels")
    venv.create(target, clear=True, symlinks=True)
    [pip] = (kit / "wheels").glob("pip-*.whl")
    python = str(target / "bin" / "python")
    offline = ["--isolated", "--disable-pip-version-check", "--no-cache-dir", "install", "--quiet", "--no-compile"]
    chosen = ["--no-index", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    wheels = ["--find-links", str(kit / "wheels"), "-r", str(kit / "requirements.txt")]
    _watched([python, str(pip / "pip"), *offline, *chosen, *wheels])
    if not _runs(into):
        raise subprocess.SubprocessError(f"{python} cannot import drstack")


def _watched(command: list[str]) -> None:
    """Run pip, telling that it still works. SubprocessError with its last words."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(command, env=clean, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        try:
            while process.poll() is None:
                if time.monotonic() - began > INSTALL_TIMEOUT_S:
                    raise subprocess.SubprocessError(f"pip did not end within {INSTALL_TIMEOUT_S:.0f} s")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_SAID_EVERY_S)
                    continue
                _say(f"installing: {time.monotonic() - began:.0f} s")
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            told.seek(0)
            raise subprocess.SubprocessError(f"pip: {told.read().strip()[-600:]}")


def _runs(into: Path) -> bool:
    python = into / "venv" / "bin" / "python"
    try:
        probe = [str(python), "-I", "-c", "from drstack.cli.main import make_app; make_app()"]
        return subprocess.run(probe, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _project(kit: Path, into: Path, manifest: dict[str, Any]) -> None:
    """A copy, because Pulumi writes into its project; the kit stays as it was listed."""
    project = into / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(kit / "project", project)
    for name, listed in manifest["files"].items():
        if listed["executable"] and name.startswith("project/"):
            (into / name).chmod(0o755)
    engine = kit / "engine"
    if not engine.is_dir():
        return
    programs = into / "engine"
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    for path in sorted(engine.iterdir()):
        target = programs / path.name
        if os.access(path, os.X_OK):
            target.symlink_to(path)
        else:  # what carried the kit here dropped the run bit
            shutil.copyfile(path, target)
            target.chmod(0o755)
    record = project / ".drstack" / "engine.json"
    record.parent.mkdir(exist_ok=True)
    told = {"bin": str(programs), "version": manifest["engine"]["version"], "way": "kit", "why": "in the kit"}
    record.write_text(json.dumps(told, indent=2) + "\n")


def _keys(kit: Path, into: Path) -> None:
    """A folder for the operator's private keys, with the trust file; what lies in it stays."""
    trust = kit / "keys" / "trust.json"
    if trust.is_file():
        folder = into / "keys"
        folder.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(trust, folder / trust.name)


def _command(into: Path, manifest: dict[str, Any]) -> None:
    """A script that sets what drstack needs to know, and nothing else."""
    lines = [
        "#!/bin/sh",
        "# drstack out of the recovery kit; the folder of sites, witness and state can be overruled by DRSTACK_ROOT.",
        f'[ -n "$DRSTACK_ROOT" ] || DRSTACK_ROOT={shlex.quote(manifest["root"])}',
        *_keys_lines(into, manifest),
        f"VIRTUAL_ENV={shlex.quote(str(into / 'venv'))}",
        'PATH="$VIRTUAL_ENV/bin:${PATH:-/usr/bin:/bin}"',
        "export DRSTACK_ROOT VIRTUAL_ENV PATH",
        "unset PYTHONPATH PYTHONHOME",
        f"cd {shlex.quote(str(into / 'project'))} || exit 1",
        'exec "$VIRTUAL_ENV/bin/python" -m drstack "$@"',
        "",
    ]
    script = into / "drstack"
    script.write_text("\n".join(lines))
    script.chmod(0o755)


def _keys_lines(into: Path, manifest: dict[str, Any]) -> list[str]:
    """Whoever promotes has their keys where the environment's lie, or in a folder that they name, or beside the kit."""
    if not (into / "keys" / "trust.json").is_file():
        return []
    usual = f'"$DRSTACK_ROOT"/keys/{shlex.quote(manifest["environment"])}/trust.json'
    beside = shlex.quote(str(into / "keys"))
    return [f'[ -n "$DRSTACK_KEYS" ] || [ -f {usual} ] || {{ DRSTACK_KEYS={beside}; export DRSTACK_KEYS; }}']


def _stamped(stamp: Path) -> Any:
    try:
        return json.loads(stamp.read_bytes())
    except (OSError, ValueError):
        return None


def _manifest(kit: Path) -> dict[str, Any]:
    try:
        return read_manifest(kit)
    except (OSError, ValueError) as error:
        _say(f"error: {kit / NAME}: {error}")
        _say("  next: take the kit before this one, or copy it here again")
        sys.exit(UNUSABLE)


def _right_python(manifest: dict[str, Any]) -> None:
    """Go on as the Python that the wheels are for, if it is here."""
    wanted = manifest["platform"]["python"]
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == wanted:
        return
    other = shutil.which(f"python{wanted}")
    if other is None:
        _refuse([f"{NAME}: the kit needs Python {wanted}; this is {platform.python_version()}"], manifest)
    sys.stderr.flush()
    os.execv(other, [other, *sys.argv])  # noqa: S606 - the same script, by the right interpreter


def _refuse(faults: list[str], manifest: dict[str, Any]) -> NoReturn:
    for fault in faults:
        _say(f"error: {fault}")
    where = f"drstack kit {manifest['environment']} --site {manifest['site']}"
    _say(f"  next: take the kit before this one, copy this one again, or write a new one: {where}")
    sys.exit(UNUSABLE)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
