"""DNS records by PowerDNS's API and by RFC 2136 at bind: real servers, asked themselves whether it is so."""

from __future__ import annotations

import base64

import pytest

from tests.drstack.actions.acted import act
from tests.drstack.actions.name_servers import ZONE, bind, powerdns

pytestmark = [pytest.mark.server]


@pytest.fixture(params=[powerdns, bind])
def server(request, tmp_path, monkeypatch):
    with request.param(tmp_path) as made:
        monkeypatch.setenv("DNS_KEY", made.key)
        yield made


def pointing(server, **changed):
    told = {
        "zone": ZONE,
        "record": "api",
        "type": "A",
        "ttl": 30,
        "values": {"west": ["10.0.0.2"], "east": ["10.0.0.1"]},
    }
    if server.api:
        way = {"powerdns": server.api, "key": "${env:DNS_KEY}"}
    else:
        way = {"update": f"127.0.0.1:{server.port}", "tsig": {"name": "mover.", "secret": "${env:DNS_KEY}"}}
    return {"dns": {**way, **told, **changed}}


def test_a_record_says_the_targets_values_and_the_way_back_is_the_same(server, tmp_path):
    said = act(tmp_path, pointing(server))
    assert (said.word, said.result["before"]) == ("done", "10.0.0.1")
    assert server.says("api.dr.test.") == (30, ["10.0.0.2"])
    assert "already" in act(tmp_path, pointing(server)).detail
    assert act(tmp_path, pointing(server), target="east").word == "done"
    assert server.says("api.dr.test.") == (30, ["10.0.0.1"])
    assert server.key not in str(said)


def test_records_that_are_new_or_of_other_types_and_several_values(server, tmp_path):
    for record, kind, values in (
        ("new", "A", ["10.0.0.9", "10.0.0.8"]), ("six", "AAAA", ["2001:db8:0:0::1"]), ("name", "CNAME", ["api.dr.test."]),
        ("said", "TXT", ['"v=1 site"']), ("@", "A", ["10.0.0.7"]),
    ):  # fmt: skip
        declared = pointing(server, record=record, type=kind, values={"west": values})
        assert act(tmp_path, declared).word == "done", (record, act(tmp_path, declared))
        assert "already" in act(tmp_path, declared).detail
    assert server.says("new.dr.test.") == (30, ["10.0.0.8", "10.0.0.9"])
    assert server.says("dr.test.") == (30, ["10.0.0.7"])


def test_a_key_that_is_not_the_servers_changes_nothing(server, tmp_path, monkeypatch):
    wrong = base64.b64encode(b"another key of thirty-two bytes.").decode()
    monkeypatch.setenv("DNS_KEY", wrong)
    said = act(tmp_path, pointing(server))
    assert said.word == "failed", said
    assert wrong not in str(said)
    assert server.says("api.dr.test.") == (5, ["10.0.0.1"])


def test_a_zone_that_the_server_does_not_have_is_refused(server, tmp_path):
    assert act(tmp_path, pointing(server, zone="other.test.")).word == "failed"


def test_a_server_that_is_not_there_has_certainly_not_been_told(tmp_path, monkeypatch):
    monkeypatch.setenv("DNS_KEY", "a key")
    told = {"zone": ZONE, "record": "api", "values": {"west": ["10.0.0.2"]}}
    for way in ({"powerdns": "http://127.0.0.1:9", "key": "${env:DNS_KEY}"}, {"update": "127.0.0.1:9"}):
        assert act(tmp_path, {"dns": {**way, **told}}).word == "failed"
