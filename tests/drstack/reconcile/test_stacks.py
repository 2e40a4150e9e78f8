"""Stacks and their config files."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from drstack.errors import EngineFailed, EnvironmentUnknown
from drstack.reconcile.config_file import aligned, read_config, salt_in_state, write_config
from drstack.reconcile.runs import alone
from drstack.reconcile.stacks import choose, stacks_of, usual
from drstack.reconcile.survivors import is_engine, is_plugin

if TYPE_CHECKING:
    from pathlib import Path

GPT = SimpleNamespace(environment="gpt", primary="west", sites={"east": None, "west": None})


def names(stacks) -> list[str]:
    return [stack.name for stack in stacks]


def test_the_primary_comes_first():
    assert names(stacks_of(GPT)) == ["gpt", "gpt.west", "gpt.east"]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, ["gpt.west", "gpt.east"]),
        ({"gpt": 0, "gpt.west": 0}, ["gpt.west", "gpt.east"]),
        ({"gpt": 9, "gpt.west": 0}, ["gpt"]),
        ({"gpt": 9, "gpt.west": 4}, ["gpt.west", "gpt.east"]),
    ],
)
def test_the_stack_of_all_sites_is_used_if_only_it_has_resources(resources: dict[str, int], expected: list[str]):
    assert names(choose(GPT, None, resources)) == expected


def test_a_site_chooses_its_stack():
    assert names(choose(GPT, "east", {"gpt": 9})) == ["gpt.east"]
    with pytest.raises(EnvironmentUnknown) as error:
        choose(GPT, "north", {})
    assert "east, west" in str(error.value.hint)


def test_a_bare_pulumi_up_means_all_sites_until_one_has_a_stack():
    assert usual(GPT, {"gpt": 0}).name == "gpt"
    assert usual(GPT, {"gpt": 3, "gpt.east": 1}) is None


def test_config_of_others_stays():
    before = {"config": {"aws:region": "us-east-1", "drstack:site": "old"}, "encryptionsalt": "theirs"}
    after = aligned(before, {"drstack:environment": "gpt", "drstack:site": None}, salt=None, follow=False)
    assert after == {"config": {"aws:region": "us-east-1", "drstack:environment": "gpt"}, "encryptionsalt": "theirs"}


def test_the_salt_follows_the_state():
    assert aligned({"encryptionsalt": "other"}, {}, salt="ours", follow=True) == {
        "config": {},
        "encryptionsalt": "ours",
    }
    assert aligned({"encryptionsalt": "other"}, {}, salt=None, follow=True) == {"config": {}}


def test_a_salt_that_decrypts_a_secret_stays():
    before = {"config": {"aws:token": {"secure": "v1:abc"}}, "encryptionsalt": "theirs"}
    assert aligned(before, {}, salt="ours", follow=True) == before


def test_a_config_file_is_written_and_read(tmp_path: Path):
    file = tmp_path / "stacks" / "Pulumi.gpt.yaml"
    assert read_config(file) == {}
    write_config(file, {"config": {"drstack:environment": "gpt"}})
    assert read_config(file) == {"config": {"drstack:environment": "gpt"}}
    file.write_text("a: [")
    with pytest.raises(EngineFailed):
        read_config(file)


def test_the_salt_is_read_from_a_state(tmp_path: Path):
    file = tmp_path / "gpt.json"
    assert salt_in_state(file) is None
    file.write_text(json.dumps({"checkpoint": {"latest": None}}))
    assert salt_in_state(file) is None
    file.write_text(json.dumps({"checkpoint": {"latest": {"secrets_providers": {"state": {"salt": "v1:x"}}}}}))
    assert salt_in_state(file) == "v1:x"


def test_a_stack_is_held_by_one_caller(tmp_path: Path):
    with alone(tmp_path, "gpt.east"):
        with pytest.raises(EngineFailed, match=r"works on stack gpt\.east"), alone(tmp_path, "gpt.east"):
            pass
        with alone(tmp_path, "gpt.west"):
            pass
    with alone(tmp_path, "gpt.east"):
        pass


def test_tells_engines_and_plugins_by_their_program():
    assert is_engine(["/x/bin/pulumi", "up"])
    assert not is_engine(["vim", "pulumi"])
    assert is_plugin(["/x/pulumi-language-python", "127.0.0.1:1"])
    assert is_plugin(["/venv/bin/python", "/x/pulumi-resource-drstack", "127.0.0.1:1"])
    assert is_plugin(["python3", "-u", "/x/pulumi-language-python-exec"])
    assert not is_plugin(["/venv/bin/python", "-m", "supervisor.supervisord"])
    assert not is_plugin(["less", "pulumi-resource-drstack.log"])
