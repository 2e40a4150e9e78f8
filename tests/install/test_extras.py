"""The extras of the wheel, from the package index: each brings what it promises, and works far from the checkout.

`pulumi`, `local` and `policies` do their work in test_goes_up.py and test_ci_files.py, in the same environment.
"""

from __future__ import annotations

import json
import re

import pytest

from drstack.extras import _MODULES, EXTRAS
from drstack.report import record_json
from tests.drstack.report.recorded import recorded
from tests.install.conftest import CHECKOUT, LOCK, run_uv

pytestmark = pytest.mark.slow
PACKAGES = {
    "dns": "dnspython", "ansible": "ansible-core",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
}  # fmt: skip
"""Of modules that are not named after theirs."""


def test_each_extra_alone_brings_what_commands_ask_for(built, base):
    for extra in EXTRAS:
        wanted = f"drstack[{extra}] @ {built.wheel.as_uri()}"
        told = run_uv(
            "pip", "install", "--dry-run", "--python", base.venv / "bin" / "python", "--constraint", LOCK, wanted
        )
        added = set(re.findall(r"^ \+ ([\w-]+)==", told, re.MULTILINE))
        assert {PACKAGES.get(name, name.replace("_", "-")) for name in _MODULES[extra]} <= added, extra


def test_all_of_them_together_are_the_environments_own(full, tmp_path):
    modules = sorted({"drstack", "replicator", *(name for names in _MODULES.values() for name in names)})
    code = f"import importlib.util as i, json; print(json.dumps([i.find_spec(n).origin for n in {modules}]))"
    done = full.run("python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(file.startswith(str(full.venv)) for file in json.loads(done.stdout)), done.stdout


def test_report_writes_a_report(full, tmp_path):
    (tmp_path / "record.json").write_text(record_json(recorded()))
    code = (
        "from pathlib import Path; from drstack.report import read_record, write_report; "
        "print(write_report(read_record(Path('record.json')), Path('report')))"
    )
    done = full.run("python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report" / "index.html").read_text()
    assert "east" in page
    assert list((tmp_path / "report").glob("*.png"))


def test_train_trains_and_ships(full, tmp_path):
    """With the page's own script for plain torch."""
    page = (CHECKOUT / "docs" / "training.md").read_text()
    (tmp_path / "train_plain.py").write_text(re.search(r"```python train_plain\.py\n(.*?)```", page, re.DOTALL)[1])
    repo = (tmp_path / "backup").as_uri()
    assert full.run("replicator", "init", "--repo", repo, "--crypto", "none", cwd=tmp_path).returncode == 0
    done = full.run("python", "train_plain.py", "100", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (only,) = json.loads(full.run("replicator", "list", "--repo", repo, "--json", cwd=tmp_path).stdout)["checkpoints"]
    assert only["step"] == 100
