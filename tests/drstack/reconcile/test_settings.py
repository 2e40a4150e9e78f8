"""Settings, passphrase, project and engine: where each comes from."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from drstack.cli.env import shell_lines
from drstack.errors import DrstackError, EngineFailed, EnvironmentUnknown
from drstack.reconcile.engine import EngineTools, find_engine, parse_version
from drstack.reconcile.passphrase import make_passphrase
from drstack.reconcile.project import find_root, local_root, read_project
from drstack.reconcile.settings import dropped, settings

ENGINE = EngineTools(Path("/engine/bin"), "3.259.0", "go")
PROJECT, ROOT = Path("/project"), Path("/root folder")


def chosen(state: str, **inherited: str) -> dict[str, str]:
    declared = SimpleNamespace(state=state)
    return settings(declared, PROJECT, ROOT, ENGINE, inherited=inherited, prefix=Path("/venv"))


def test_a_relative_state_folder_lies_under_the_local_root():
    assert chosen("file:state")["PULUMI_BACKEND_URL"] == "file:///root%20folder/state"


@pytest.mark.parametrize("url", ["s3://acme?region=eu-central-1", "gs://acme", "azblob://acme"])
def test_other_states_are_passed_on(url: str):
    assert chosen(url)["PULUMI_BACKEND_URL"] == url


def test_python_and_engine_come_first_on_path():
    assert chosen("file:state", PATH="/usr/bin")["PATH"] == "/venv/bin:/engine/bin:/usr/bin"
    assert chosen("file:state")["PATH"] == f"/venv/bin:/engine/bin:{os.defpath}"


def test_state_in_a_folder_goes_with_the_passphrase_beside_it():
    told = chosen("file:state", PULUMI_CONFIG_PASSPHRASE="secret", PULUMI_CONFIG_PASSPHRASE_FILE="/elsewhere")
    assert told["PULUMI_CONFIG_PASSPHRASE_FILE"] == "/root folder/passphrase"
    assert dropped(told) == ("PULUMI_CONFIG_PASSPHRASE",)


def test_state_in_a_bucket_takes_the_passphrase_that_the_team_shares():
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in chosen("s3://acme", PULUMI_CONFIG_PASSPHRASE="secret")
    assert dropped(chosen("s3://acme", PULUMI_CONFIG_PASSPHRASE="secret")) == ()
    told = chosen("s3://acme", PULUMI_CONFIG_PASSPHRASE_FILE="/team/passphrase")
    assert told["PULUMI_CONFIG_PASSPHRASE_FILE"] == "/team/passphrase"
    assert chosen("s3://acme")["PULUMI_CONFIG_PASSPHRASE_FILE"] == "/root folder/passphrase"


def test_no_setting_holds_a_passphrase():
    assert "secret" not in str(chosen("s3://acme", PULUMI_CONFIG_PASSPHRASE="secret"))


def test_the_passphrase_is_made_once_for_its_owner_only(tmp_path: Path):
    file = tmp_path / "new" / "passphrase"
    assert make_passphrase(file)
    first = file.read_text()
    assert not make_passphrase(file)
    assert file.read_text() == first
    assert len(first) > 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_the_project_is_found_upwards(tmp_path: Path):
    (tmp_path / "Pulumi.yaml").write_text("name: drstack\nruntime: python\nstackConfigDir: stacks\n")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_root(deep) == tmp_path
    assert read_project(tmp_path).config_file("gpt.east") == tmp_path / "stacks" / "Pulumi.gpt.east.yaml"


def test_outside_a_project_the_error_says_what_to_do(tmp_path: Path):
    with pytest.raises(EnvironmentUnknown) as error:
        find_root(tmp_path)
    assert "drstack init" in str(error.value.hint)


@pytest.mark.parametrize("text", ["runtime: python\n", "- a\n", "a: [\n"])
def test_a_project_without_a_name_is_refused(tmp_path: Path, text: str):
    (tmp_path / "Pulumi.yaml").write_text(text)
    with pytest.raises(EngineFailed):
        read_project(tmp_path)


def test_the_local_root_is_absolute_or_refused():
    assert local_root(PROJECT, {}) == PROJECT / ".drstack" / "local"
    assert local_root(PROJECT, {"DRSTACK_ROOT": "/elsewhere"}) == Path("/elsewhere")
    with pytest.raises(DrstackError):
        local_root(PROJECT, {"DRSTACK_ROOT": "here"})


def fake_engine(folder: Path, version: str, *, host: bool = True) -> Path:
    folder.mkdir(parents=True)
    for name, text in {"pulumi": f"echo {version}", "pulumi-language-python": ""}.items():
        if name == "pulumi" or host:
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)
    return folder


def test_an_engine_on_path_is_taken_if_it_serves(tmp_path: Path):
    folder = fake_engine(tmp_path / "bin", "v3.230.1")
    assert find_engine(tmp_path, path=f"{folder}:/usr/bin:/bin") == EngineTools(folder, "3.230.1", "path")


@pytest.mark.parametrize(("version", "host"), [("v3.226.9", True), ("v3.259.0", False), ("nonsense", True)])
def test_one_that_does_not_serve_gives_way_to_the_recorded_one(tmp_path: Path, version, host):
    poor = fake_engine(tmp_path / "poor", version, host=host)
    good = fake_engine(tmp_path / "good", "v3.259.0")
    (tmp_path / ".drstack").mkdir()
    (tmp_path / ".drstack" / "engine.json").write_text(f'{{"bin": "{good}", "version": "3.259.0", "way": "go"}}')
    assert find_engine(tmp_path, path=f"{poor}:/usr/bin:/bin") == EngineTools(good, "3.259.0", "go")


def test_without_an_engine_the_error_says_why_and_what_to_type(tmp_path: Path):
    with pytest.raises(EngineFailed) as error:
        find_engine(tmp_path, path="/usr/bin:/bin", checkout=None)
    assert "no pulumi on PATH" in str(error.value)
    assert str(error.value.hint).startswith("Install the Pulumi CLI, 3.227.0 or newer")
    assert error.value.exit_code == 30


def test_a_project_elsewhere_has_the_engine_of_the_checkout_that_this_runs_from(tmp_path: Path):
    good, checkout = fake_engine(tmp_path / "good", "v3.259.0"), tmp_path / "checkout"
    with pytest.raises(EngineFailed) as error:
        find_engine(tmp_path / "project", path="/usr/bin:/bin", checkout=checkout)
    assert str(error.value.hint).startswith(f"make engine in {checkout}; or: Install")
    (checkout / ".drstack").mkdir(parents=True)
    (checkout / ".drstack" / "engine.json").write_text(f'{{"bin": "{good}", "version": "3.259.0", "way": "go"}}')
    found = find_engine(tmp_path / "project", path="/usr/bin:/bin", checkout=checkout)
    assert found == EngineTools(good, "3.259.0", "go")


def test_in_a_checkout_make_has_the_engine(tmp_path: Path):
    (tmp_path / "tools" / "engine").mkdir(parents=True)
    with pytest.raises(EngineFailed) as error:
        find_engine(tmp_path, path="/usr/bin:/bin", checkout=None)
    assert error.value.hint == "make engine"


def test_reads_versions():
    assert parse_version("v3.259.0\n") == (3, 259, 0)
    assert parse_version("3.259.0-dev.1") == (3, 259, 0)
    assert parse_version("unknown") is None


def test_shell_lines_survive_any_folder_and_a_shell_without_path():
    lines = shell_lines({"A": "it's here", "PATH": "unused"}, ["GONE"], ["/a b/bin", "/engine"])
    script = f'PATH=/usr/bin\nGONE=1\n{lines}printf \'%s|%s|%s\' "$A" "$PATH" "${{GONE-unset}}"'
    told = subprocess.run(["/bin/sh", "-c", script], env={}, capture_output=True, text=True, timeout=10, check=True)
    assert told.stdout == "it's here|/a b/bin:/engine:/usr/bin|unset"
