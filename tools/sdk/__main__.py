"""`make sdk`: generates the SDKs into `sdk/<language>/<package>`, for programs that are not Python.

The generator is the engine's own, built as a library of it (`generate/main.go`) and kept in the cache by its sources.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

from tools import cache, command, gobuild, interruption
from tools.engine.version import WANTED

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
SCHEMAS = (CHECKOUT / "drstack" / "provider" / "schema.json", CHECKOUT / "components" / "schema.json")
LANGUAGES = ("go", "nodejs", "python")
PROGRAM = gobuild.Program(HERE / "generate", "drstack.invalid/tools/sdk/generate")
GENERATE_TIMEOUT_S = 120.0
LOCK_TIMEOUT_S = 1800.0


def generator() -> Path:
    """Path of the generator, built first where the cache has none. Raises gobuild.BuildFailed."""
    sources = b"".join((HERE / "generate" / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    folder = cache.root() / "sdk" / f"{hashlib.sha256(sources).hexdigest()[:16]}-{cache.host()}"
    program = Path("bin") / PROGRAM.name
    cache.install(
        folder,
        lambda partial: gobuild.build(PROGRAM, partial / "bin"),
        serves=lambda kept: (kept / program).exists(),
        label="it builds the generator of SDKs",
        timeout_s=LOCK_TIMEOUT_S,
    )
    return folder / program


def generate(target: Path) -> list[Path]:
    """Write all SDKs below `target`, in place of those there; the folder of each. Raises gobuild.BuildFailed."""
    program, made = generator(), list[Path]()
    for schema in SCHEMAS:
        package = str(json.loads(schema.read_text())["name"])
        for language in LANGUAGES:
            folder = target / language / package
            shutil.rmtree(folder, ignore_errors=True)
            command.run(
                [str(program), language, str(schema), str(folder)],
                label=f"generating {package} for {language}",
                timeout_s=GENERATE_TIMEOUT_S,
            )
            if language == "go":
                _make_module(folder, package)
            made.append(folder)
    return made


def _make_module(folder: Path, package: str) -> None:
    """A module of its own, with its package at the top."""
    for each in (folder / package).iterdir():
        each.rename(folder / each.name)
    (folder / package).rmdir()
    needs = f"require github.com/pulumi/pulumi/sdk/v3 v{WANTED}"
    (folder / "go.mod").write_text(f"module drstack.invalid/sdk/{package}\n\ngo 1.25.0\n\n{needs}\n")


def main() -> int:
    interruption.as_exit()
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "sdk"
    try:
        for folder in generate(target):
            print(f"sdk: {folder}")
    except (gobuild.BuildFailed, cache.LockBusy, command.CommandFailed) as error:
        print(f"sdk: {error}. It needs Go (1.21 or newer) and a module proxy (GOPROXY).", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
