"""Steps that are HTTP requests, against a real server: what is done, what failed, and what nobody knows."""

from __future__ import annotations

import socket

import pytest

from tests.drstack.actions.acted import act, check
from tests.drstack.actions.listening import listening


@pytest.fixture
def server():
    with listening() as made:
        yield made


def test_it_is_sent_with_a_token_and_its_names_and_secrets_filled_in(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPS_TOKEN", "t0k3n-of-ops")
    server.answers = [(202, "accepted for t0k3n-of-ops")]
    told = {
        "url": server.url + "/scale/{target}", "headers": {"Authorization": "Bearer ${env:OPS_TOKEN}"},
        "body": '{"site": "{target}", "for": {"list": "{workloads}"}}',
    }  # fmt: skip
    said = act(tmp_path, {"http": told})
    assert (said.word, said.detail) == ("done", "202: accepted for ***")
    [heard] = server.heard
    assert (heard.method, heard.path) == ("POST", "/scale/west")
    assert heard.headers["Authorization"] == "Bearer t0k3n-of-ops"
    assert heard.headers["Idempotency-Key"] == "e/1-1/x/0123"
    assert heard.json == {"site": "west", "for": {"list": "a,b"}}
    assert "t0k3n" not in str(said)


@pytest.mark.parametrize(
    ("answer", "word"),
    [(200, "done"), (204, "done"), (302, "failed"), (400, "failed"), (409, "failed"), (429, "failed"), (503, "failed"),
     (500, "unknown"), (502, "unknown"), (504, "unknown"), ("break", "unknown")],
)  # fmt: skip
def test_what_an_answer_means(server, tmp_path, answer, word):
    server.answers = [answer]
    assert act(tmp_path, {"http": {"url": server.url}}).word == word
    assert len(server.heard) == 1, "a redirect is not followed"


def test_only_what_was_expected_is_done(server, tmp_path):
    server.answers = [200, 409]
    told = {"http": {"url": server.url, "expect": [202, 409]}}
    assert [act(tmp_path, told).word for _ in range(2)] == ["failed", "done"]


def test_no_answer_in_time_is_unknown_and_what_only_reads_may_be_asked_again(server, tmp_path):
    server.answers = ["hang", "hang"]
    assert act(tmp_path, {"http": {"url": server.url}}, timeout_s=1.0).word == "unknown"
    assert act(tmp_path, {"http": {"url": server.url, "method": "GET"}}, timeout_s=1.0).word == "failed"


def test_what_was_certainly_not_sent_has_failed(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        said = act(tmp_path, {"http": {"url": f"http://127.0.0.1:{taken.getsockname()[1]}"}})
    assert said.word == "failed"
    assert "not sent" in said.detail
    assert act(tmp_path, {"http": {"url": "http://host.invalid/"}}).word == "failed"


@pytest.mark.parametrize(("answer", "done"), [(200, True), (404, False), (500, None), ("break", None)])
def test_what_a_check_says(server, tmp_path, answer, done):
    server.answers = [answer]
    assert check(tmp_path, {"shell": "true", "check_http": {"url": server.url + "/{target}"}}).done is done
    assert (server.heard[0].method, server.heard[0].path) == ("GET", "/west")
