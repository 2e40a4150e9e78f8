"""What the wheel holds and what it asks for."""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        assert len(names) == len(set(names))
        return {name: opened.read(name) for name in names}


def metadata(wheel: Path):
    held = contents(wheel)
    return message_from_bytes(held[next(name for name in held if name.endswith(".dist-info/METADATA"))])


def test_installs_two_top_level_names_and_nothing_else(base):
    (record,) = base.site_packages.glob("drstack-*.dist-info/RECORD")
    paths = [row[0] for row in csv.reader(io.StringIO(record.read_text()))]
    tops = {path.split("/")[0] for path in paths if not path.startswith("../") and ".dist-info/" not in path}
    assert tops == {"drstack", "replicator"}
    scripts = {Path(path).name for path in paths if path.startswith("../")}
    assert scripts == {"drstack", "replicator"}
    assert not [path for path in paths if "tests/" in path or "/tools/" in path or path.endswith(".partial")]


def test_holds_every_source_file_of_the_checkout_and_what_is_read_at_run_time(built):
    held = contents(built.wheel)
    for folder, inside in (("drstack", "drstack"), ("replicator", "replicator"), ("components", "drstack/components")):
        for file in (CHECKOUT / folder).rglob("*"):
            if file.is_file() and file.suffix != ".pyc" and "drstack/components" not in str(file.relative_to(CHECKOUT)):
                name = f"{inside}/{file.relative_to(CHECKOUT / folder).as_posix()}"
                assert held.get(name) == file.read_bytes(), name
    for name in (
        "drstack/py.typed",
        "replicator/py.typed",
        "drstack/provider/schema.json",
        "drstack/report/page.html.j2",
    ):
        assert name in held
    for file in (CHECKOUT / "examples" / "train").glob("*.py"):
        assert held[f"drstack/project/files/examples/train/{file.name}"] == file.read_bytes()


def test_the_plugin_and_the_policy_pack_are_executable_once_installed(base):
    for path in ("drstack/provider/bin/pulumi-resource-drstack", "drstack/project/files/policies/run"):
        assert (base.site_packages / path).stat().st_mode & 0o111, path


def test_the_sdist_builds_the_same_wheel(built):
    assert contents(built.wheel) == contents(built.direct)
    assert built.wheel.read_bytes() == built.direct.read_bytes()
    with tarfile.open(built.sdist) as opened:
        assert not [name for name in opened.getnames() if "/tests/" in name or "/.venv" in name]


def test_a_base_install_asks_for_no_torch_pulumi_or_ray_and_extras_do(built):
    asked = metadata(built.wheel).get_all("Requires-Dist")
    base = [line for line in asked if "extra ==" not in line]
    assert not [
        line for line in base for heavy in ("torch", "pulumi", "ray", "boto", "supervisor") if line.startswith(heavy)
    ]
    from drstack.extras import EXTRAS

    assert set(EXTRAS) <= set(metadata(built.wheel).get_all("Provides-Extra"))
