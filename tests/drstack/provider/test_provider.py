"""The provider without an engine: what it answers to single requests."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi.provider.experimental import provider as rpc
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_TEXT

from drstack.errors import DrstackError
from drstack.provider import provider, schema
from drstack.provider.provider import KINDS, DrstackProvider
from drstack.provider.values import UNKNOWN, plain_map, wire_map

SCRIPT = Path(provider.__file__).parent / "bin" / "pulumi-resource-drstack"


def urn(token):
    return f"urn:pulumi:s::p::drstack:components:Site${token}::east"


def answer(coroutine):
    return asyncio.run(coroutine)


def test_the_schema_that_is_checked_in_is_what_the_kinds_say():
    assert provider.SCHEMA.read_text() == schema.text(), (
        "python -m drstack.provider.schema > drstack/provider/schema.json"
    )
    told = json.loads(answer(DrstackProvider().get_schema(rpc.GetSchemaRequest(0))).schema)
    assert set(told["resources"]) == {kind.token for kind in KINDS}


def test_values_come_back_as_they_went():
    values = {"a": 1, "b": [True, None, "x", 2.5], "c": {"d": [{"e": 0}]}, "unknown": UNKNOWN}
    assert plain_map(wire_map(values)) == values
    assert wire_map({"a": UNKNOWN})["a"].value == UNKNOWN_TEXT


def test_a_preview_touches_nothing(tmp_path):
    given = {"folder": str(tmp_path / "east"), "environment": "g", "site": "east", "owner": "o", "onDestroy": "keep"}
    request = rpc.CreateRequest(urn("drstack:local:Site"), wire_map(given), 0, preview=True)
    made = answer(DrstackProvider().create(request))
    assert plain_map(made.properties)["folder"] == given["folder"]
    assert list(tmp_path.iterdir()) == []


def test_a_resource_whose_folder_is_gone_is_read_as_gone(tmp_path):
    given = {"folder": str(tmp_path / "east"), "environment": "g", "site": "east", "owner": "o"}
    request = rpc.ReadRequest(urn("drstack:local:Site"), "x#site", wire_map(given), wire_map(given))
    assert answer(DrstackProvider().read(request)).resource_id == ""


def test_an_acknowledging_site_is_taken():
    given = {
        "witness": "file:///w", "environment": "g", "repositories": [], "sites": ["east", "west"],
        "workloads": {"gpt": {"writer": "east", "acknowledge": ["west"]}},
    }  # fmt: skip
    request = rpc.CheckRequest(urn("drstack:witness:Environment"), {}, wire_map(given), b"")
    assert not answer(DrstackProvider().check(request)).failures


def test_an_unknown_resource_or_function_fails_loudly():
    with pytest.raises(DrstackError, match="no resource drstack:local:Nothing"):
        answer(DrstackProvider().check(rpc.CheckRequest(urn("drstack:local:Nothing"), {}, {}, b"")))
    with pytest.raises(DrstackError, match="no function"):
        answer(DrstackProvider().invoke(rpc.InvokeRequest("drstack:witness:getNothing", {})))


def test_arguments_of_the_function_are_checked_by_name():
    failures = answer(DrstackProvider().invoke(rpc.InvokeRequest("drstack:witness:getRoles", {}))).failures
    assert "witness" in {failure.property for failure in failures}


@pytest.mark.slow
@pytest.mark.parametrize("shell", [{"VIRTUAL_ENV": sys.prefix}, {}], ids=["an active venv", "PATH alone"])
def test_the_plugin_starts_from_a_bare_shell_and_tells_its_port(shell):
    path = os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin"))
    command = [str(SCRIPT), "127.0.0.1:1"]
    plugin = subprocess.Popen(command, env={"PATH": path, **shell}, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert 0 < int(plugin.stdout.readline()) < 65536
    finally:
        plugin.kill()
        plugin.wait(10)
        plugin.stdout.close()
