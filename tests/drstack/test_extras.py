"""Extras are told apart, and are those of pyproject.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from drstack import extras
from drstack.errors import ExtraMissing


def test_every_extra_of_the_project_is_known():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(extras.EXTRAS) <= set(project["optional-dependencies"])


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in ("supervisor", "pulumi") else object())
    assert extras.missing("pulumi", "local", "train") == {"pulumi": ("pulumi",), "local": ("supervisor",)}
    with pytest.raises(ExtraMissing) as told:
        extras.require("train", "local", "policies", what="it")
    assert str(told.value) == "it needs supervisor, pulumi, not installed here"
    assert told.value.hint == "pip install 'drstack[local,policies]'"


def test_what_is_there_is_not_asked_for():
    extras.require("pulumi", "local", "report", what="it")
