"""Kits of a few small files, listed as real ones are: enough for whatever refuses before it installs."""

from __future__ import annotations

import sys
from pathlib import Path

from drstack.kit import manifest, start

MADE_AT = 1_700_000_000.0


def fill(kit: Path, **changed) -> None:
    (kit / "wheels").mkdir()
    (kit / "wheels" / "pip-1-py3-none-any.whl").write_bytes(b"a wheel" * 1000)
    (kit / "RUNBOOK.md").write_text("what to do\n")
    (kit / "start.py").write_bytes(Path(start.__file__).read_bytes())
    here = start.this_platform()
    told = manifest.Manifest(
        environment="local", environment_id="e", site="west", assignment=1, made_at=MADE_AT, drstack="0.1.0", root="/srv",
        platform=manifest.Platform(
            system=here["system"], machine=here["machine"], implementation=here["implementation"],
            python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        ),
        engine=manifest.EnginePart(included=False, why="left out"),
        training=manifest.Included(included=False, why="the site's"), keys=manifest.Included(included=False, why="none"),
        sources=manifest.Sources(environment="abc", lock="def"), files=manifest.list_files(kit),
    )  # fmt: skip
    manifest.write(kit, told.model_copy(update=changed))


def make(folder: Path, **changed) -> Path:
    folder.mkdir(parents=True)
    fill(folder, **changed)
    return folder
