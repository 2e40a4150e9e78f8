"""Every verb that works on a repository says of a plain one that nothing in it is encrypted or signed."""

from __future__ import annotations

import json

import pytest
import typer

from replicator.cli.main import make_app
from tests.replicator.cli.rig import Shell

WARNING = "is NOT encrypted and NOT signed (crypto: none)"
SILENT = {"wait", "run"} | {
    f"keys {verb}" for verb in ("list", "add-recipient", "revoke", "rotate", "sheet", "recover", "trust")
}
"""`run` is a service, which says nothing of it; the others open no repository, or work on keys, and a plain one has none."""
WHO = ("--reason", "test", "--by", "me")
VERBS = {
    "init": ("init", "--repo", "{repo}"),
    "push": ("push", "{checkpoint}", "--repo", "{repo}", "--workload", "gpt", "--step", "7"),
    "watch": ("watch", "{run}", "--repo", "{repo}", "--workload", "gpt", "--once"),
    "list": ("list", "--repo", "{repo}"),
    "restore": ("restore", "latest", "--repo", "{repo}", "--to", "{out}"),
    "verify": ("verify", "--repo", "{repo}"),
    "release": ("release", "latest", "--repo", "{repo}", *WHO),
    "condemn": ("condemn", "latest", "--repo", "{repo}", *WHO),
    "scrub": ("scrub", "--repo", "{repo}"),
    "repair": ("repair", "--repo", "{repo}", "--from", "{repo}"),
    "drill": ("drill", "--repo", "{repo}"),
    "retain": ("retain", "--repo", "{repo}", "--keep-last", "1", "--dry-run"),
    "compact": ("compact", "--repo", "{repo}", "--dry-run"),
    "tier": ("tier", "--tiers", "{tiers}", "--dry-run"),
    "thaw": ("thaw", "latest", "--repo", "{repo}"),
    "hold": ("hold", "latest", "--repo", "{repo}", "--name", "h", *WHO),
    "unhold": ("unhold", "--repo", "{repo}", "--name", "h", *WHO),
    "lock": ("lock", "--repo", "{repo}", "--dry-run"),
    "upgrade": ("upgrade", "--repo", "{repo}", "--reason", "test"),
}


def verbs(command, name=""):
    inner = getattr(command, "commands", None)
    if inner is None:
        return {name}
    return set().union(*(verbs(each, f"{name} {verb}".strip()) for verb, each in inner.items()))


@pytest.fixture
def shell(tmp_path):
    shell = Shell(tmp_path / "home")
    url = (tmp_path / "repo").as_uri()
    assert shell("init", "--repo", url, "--crypto", "none").returncode == 0
    (tmp_path / "step-1").mkdir()
    (tmp_path / "step-1" / "weights.bin").write_bytes(b"w" * 1000)
    pushed = shell("push", tmp_path / "step-1", "--repo", url, "--workload", "gpt", "--step", 1)
    assert pushed.returncode == 0, pushed.stderr
    return shell


def test_no_verb_is_left_out():
    assert set(VERBS) | SILENT == verbs(typer.main.get_command(make_app()))
    assert not set(VERBS) & SILENT


@pytest.mark.parametrize("verb", VERBS)
def test_a_plain_repository_is_said_to_be_one(shell, tmp_path, verb):
    url = (tmp_path / "repo").as_uri()
    tiers = [{"name": "hot", "url": url, "keep": {"last": 1}}, {"name": "cold", "url": f"{url}-cold"}]
    (tmp_path / "tiers.json").write_text(json.dumps({"tiers": tiers}))
    (tmp_path / "run").mkdir()
    places = {
        "repo": url, "checkpoint": tmp_path / "step-1", "run": tmp_path / "run", "out": tmp_path / "out",
        "tiers": tmp_path / "tiers.json",
    }  # fmt: skip
    done = shell(*(each.format(**places) for each in VERBS[verb]))
    assert WARNING in done.stderr, done.stderr
