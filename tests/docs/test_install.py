"""docs/install.md, where it can be held without a network: names, extras, and the line that makes the list of versions."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_it_names_the_wheel_as_it_is_built_and_extras_that_are_there():
    assert set(re.findall(r"drstack-[\d.]+-py3-none-any\.whl", PAGE)) == {
        f"drstack-{PROJECT['version']}-py3-none-any.whl"
    }
    for named in re.findall(r"drstack\[([\w,]+)\]", PAGE):
        assert set(named.split(",")) <= set(PROJECT["optional-dependencies"]), named


def test_the_list_of_versions_is_the_lock_without_its_digests(tmp_path):
    (line,) = re.findall(r"^sed .*requirements\.lock > versions\.txt$", PAGE, re.MULTILINE)
    (tmp_path / "requirements.lock").write_bytes((ROOT / "requirements.lock").read_bytes())
    subprocess.run(["sh", "-ec", line], cwd=tmp_path, check=True, timeout=30)
    pins = [each for each in (tmp_path / "versions.txt").read_text().splitlines() if not each.lstrip().startswith("#")]
    assert len(pins) > 100
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+( ; .+)?", each) for each in pins), pins
