"""`drstack observe` and `drstack automatic` where there is nothing to do, and where they are refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from drstack.cli.main import make_app
from drstack.errors import ConsentRequired, EnvironmentUnknown, OperationConflict
from tests.drstack.spec.declared import LOCAL

AUTOMATIC = "leases: {ttl: 60s}\npromotion: {automatic: true, observers: [a, b]}\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    (folder / "stacks" / "environments").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (folder / "stacks" / "environments" / "demo.yaml").write_text(LOCAL + AUTOMATIC)
    (tmp_path / "root" / "witness").mkdir(parents=True)
    monkeypatch.setenv("DRSTACK_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("DRSTACK_OPERATOR", "ann")
    monkeypatch.chdir(folder)

    def call(*arguments):
        done = CliRunner().invoke(make_app(arguments), list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def test_an_observer_that_the_file_does_not_name_is_refused(run):
    with pytest.raises(EnvironmentUnknown, match="no observer 'c'") as raised:
        run("observe", "demo", "--as", "c")
    assert "a, b" in raised.value.hint
    with pytest.raises(EnvironmentUnknown, match="no site 'moon'"):
        run("observe", "demo", "--as", "a", "--at", "moon")


def test_a_hold_needs_a_reason_stands_until_it_is_released_and_is_told(run):
    with pytest.raises(ConsentRequired, match="a hold needs a reason"):
        run("automatic", "demo", "--hold")
    with pytest.raises(OperationConflict, match="nothing holds off"):
        run("automatic", "demo", "--release")
    with pytest.raises(OperationConflict, match="both given"):
        run("automatic", "demo", "--hold", "--release", "--reason", "x")
    assert "HELD OFF by ann: moving racks" in run("automatic", "demo", "--hold", "--reason", "moving racks")
    told = json.loads(run("automatic", "demo", "--json"))
    assert (told["automatic"], told["to"], told["held"]["reason"]) == (True, "west", "moving racks")
    assert told["observers"] == {"a": None, "b": None}
    assert json.loads(run("automatic", "demo", "--release", "--json"))["held"] is None
    assert "was never heard" in run("automatic", "demo")
