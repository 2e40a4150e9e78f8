"""The engine that `make engine` chose, driven for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.engine.record import PATH
from tools.engine.version import objection, parse
from tools.notrun import not_run

pytestmark = pytest.mark.engine

CHECKOUT = Path(__file__).parents[2]
PROGRAM = """
import pulumi
pulumi.export("greeting", pulumi.Config().require("greeting"))
"""


@pytest.fixture(scope="module")
def engine() -> Path:
    try:
        return Path(json.loads((CHECKOUT / PATH).read_text())["bin"])
    except FileNotFoundError:
        not_run("no Pulumi engine is recorded in this checkout: `make engine` says why")


@pytest.fixture
def environ(engine: Path, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "state").mkdir()
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(engine), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "only for this test",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def pulumi(environ: dict[str, str], cwd: Path, *arguments: str) -> str:
    ended = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_is_of_a_version_that_serves(environ: dict[str, str], tmp_path: Path) -> None:
    assert objection(parse(pulumi(environ, tmp_path, "version"))) is None


def test_previews_and_runs_a_python_program(environ: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: tiny\nruntime: python\n")
    (project / "__main__.py").write_text(PROGRAM)
    pulumi(environ, project, "stack", "init", "local.east")
    pulumi(environ, project, "config", "set", "greeting", "good morning", "--stack", "local.east")
    preview = pulumi(environ, project, "preview", "--stack", "local.east")
    assert "1 to create" in preview
    assert "good morning" in preview
    pulumi(environ, project, "up", "--yes", "--skip-preview", "--stack", "local.east")
    assert json.loads(pulumi(environ, project, "stack", "output", "--json", "--stack", "local.east")) == {
        "greeting": "good morning"
    }
