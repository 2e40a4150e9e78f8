"""What goes into a kit: pins out of the lock, drstack's own wheel, and of the project nothing secret."""

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from drstack.errors import KitNotMade
from drstack.kit import closure, own, project, wheels

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
LOCK = closure.read_lock(ROOT / "requirements.lock")


def test_pins_are_what_is_installed_with_the_digests_of_the_lock():
    pins = {pin.name: pin for pin in closure.pins(("local", "pulumi"), LOCK)}
    assert {"supervisor", "pulumi", "pip", "numpy", "pydantic-core", "grpcio"} <= set(pins)
    assert not {"drstack", "torch", "pytest", "matplotlib"} & set(pins)
    assert all(pin.digests for pin in pins.values())
    assert pins["numpy"].version == importlib.metadata.version("numpy")
    assert "pulumi" not in {pin.name for pin in closure.pins(("local",), LOCK)}


def test_a_version_that_the_lock_does_not_name_is_refused():
    other = {(name, version): digests for (name, version), digests in LOCK.items() if name != "numpy"}
    with pytest.raises(KitNotMade, match=r"numpy .* is installed, and requirements.lock does not name it"):
        closure.pins(("local",), other)


def test_the_oldest_glibc_is_the_greatest_that_a_wheel_cannot_do_without():
    assert wheels.glibc_needed(["a-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"]) == "2.27"
    assert wheels.glibc_needed(["a-1-cp311-cp311-manylinux2014_x86_64.whl", "b-1-py3-none-any.whl"]) == "2.17"
    assert wheels.glibc_needed(["b-1-py3-none-any.whl"]) == ""


def test_an_installed_drstack_becomes_the_wheel_it_came_from_and_a_changed_one_is_refused(tmp_path):
    for name in ("built", "again"):
        (tmp_path / name).mkdir()
    built = own.own_wheel(tmp_path / "built", lambda _: None)
    site = tmp_path / "site"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(built)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, timeout=120)
    [info] = site.glob("*.dist-info")
    installed = importlib.metadata.Distribution.at(info)
    again = own.repacked(installed, tmp_path / "again")
    assert again.name == built.name
    with zipfile.ZipFile(built) as first, zipfile.ZipFile(again) as second:
        inside = [name for name in first.namelist() if not name.endswith("/RECORD")]
        assert sorted(inside) == sorted(name for name in second.namelist() if not name.endswith("/RECORD"))
        assert all(first.read(name) == second.read(name) for name in inside)
    (site / "drstack" / "errors.py").write_text("changed = True\n")
    with pytest.raises(KitNotMade, match=r"errors\.py is not as it was installed"):
        own.repacked(importlib.metadata.Distribution.at(info), tmp_path / "again")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    shutil.copytree(ROOT / "stacks", folder / "stacks", ignore=shutil.ignore_patterns("__pycache__", "Pulumi.*"))
    shutil.copy(ROOT / "Pulumi.yaml", folder)
    return folder


def copied(source, tmp_path):
    project.copy_project(source, "local", ROOT / "drstack" / "provider" / "bin", tmp_path)
    return {
        path.relative_to(tmp_path / "project").as_posix()
        for path in (tmp_path / "project").rglob("*")
        if path.is_file()
    }


def test_of_the_project_only_the_environment_and_its_program_go_in(source, tmp_path):
    (source / "stacks" / "Pulumi.local.west.yaml").write_text("config: {}\n")
    (source / "stacks" / "environments" / "other.yaml").write_text("environment: other\n")
    for name in ("stacks/Pulumi.other.yaml", "stacks/.env", "stacks/id_ed25519", ".env", "credentials"):
        (source / name).write_text("AWS_SECRET_ACCESS_KEY=abcdefgh\n")
    assert copied(source, tmp_path) == {
        "Pulumi.yaml", "provider/pulumi-resource-drstack", "provider/pulumi-resource-drstack-components",
        "stacks/Pulumi.local.west.yaml", "stacks/__main__.py",
        "stacks/environments/environment.schema.json", "stacks/environments/local.yaml",
    }  # fmt: skip
    [plugin] = yaml.safe_load((tmp_path / "project" / "Pulumi.yaml").read_text())["plugins"]["providers"]
    assert plugin == {"name": "drstack", "path": "provider"}


@pytest.mark.parametrize(
    "line",
    ["config: {token: correct-horse-battery}", "key: AKIAABCDEFGHIJKLMNOP", "-----BEGIN OPENSSH PRIVATE KEY-----"],
)
def test_a_secret_in_the_clear_is_refused_by_the_files_name(source, tmp_path, line):
    (source / "stacks" / "Pulumi.local.yaml").write_text(f"{line}\n")
    copied(source, tmp_path)
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct-horse-battery\n")
    known = project.known_secrets({"PATH": "/bin", "SOME_TOKEN_FILE": "/a/path"}, [passphrase, tmp_path / "none"])
    assert known == {"correct-horse-battery"}
    with pytest.raises(KitNotMade, match=r"project/stacks/Pulumi\.local\.yaml holds a secret in the clear"):
        project.refuse_secrets([tmp_path / "project"], known)


def test_ciphertext_passes(source, tmp_path):
    (source / "stacks" / "Pulumi.local.yaml").write_text("encryptionsalt: v1:abc:def\nconfig: {a: {secure: AAABBB}}\n")
    copied(source, tmp_path)
    project.refuse_secrets([tmp_path / "project"], project.known_secrets({"MY_API_KEY": "sesame-open-now"}, []))
