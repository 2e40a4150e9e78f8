"""Notices of an operation's begin, end and failures: told once, with a token, and never in the way."""

from __future__ import annotations

import socketserver
import threading
import time

import pytest

from drstack.errors import StepFailed
from drstack.recovery.conduct import promote
from tests.drstack.actions.acted import act
from tests.drstack.actions.listening import listening
from tests.drstack.recovery.fleet import Fleet
from tests.drstack.recovery.own import BY, world_of


@pytest.fixture
def server():
    with listening() as made:
        yield made


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def moments(server):
    return [heard.json["moment"] for heard in server.heard]


def test_begin_failures_and_end_are_told_and_recorded(fleet, server):
    steps = {"tell": {"notify": {"webhook": server.url + "/hook"}}, "scale": {"shell": "test -e go || exit 3"}}
    with pytest.raises(StepFailed):
        promote(world_of(fleet, steps), "west", BY)
    (fleet.folder / "go").touch()
    promote(world_of(fleet, steps), "west", BY)
    assert sorted(moments(server)) == ["begin", "end", "failed"]
    failed = next(heard for heard in server.heard if heard.json["moment"] == "failed")
    assert "step scale: exit 3" in failed.json["why"]
    assert failed.json["text"].startswith("drstack: promote of e to west is not finished: ")
    assert (
        failed.headers["Idempotency-Key"]
        == failed.json["token"]
        == f"e/1-1/tell/{failed.json['token'].split('/')[3]}/failed"
    )
    told = [r.body for r in fleet.witness().journal(1, 1).records() if r.kind == "told"]
    assert [each["told"] for each in told] == [True] * 3


def test_one_that_cannot_be_told_keeps_nothing_waiting_and_is_recorded(fleet, server):
    server.answers = ["hang", "hang", "hang"]
    steps = {
        "tell": {"notify": {"webhook": server.url}, "timeout": "1s"},
        "gone": {"notify": {"webhook": "http://127.0.0.1:9/"}},
    }
    assert promote(world_of(fleet, steps), "west", BY)["result"] == "promoted"
    told = [r.body for r in fleet.witness().journal(1, 1).records() if r.kind == "told"]
    assert {(each["notice"], each["told"]) for each in told} == {("tell", False), ("gone", False)}


def test_a_notice_among_the_steps_never_fails_the_operation(fleet, server):
    server.answers = [500]
    steps = {"tell": {"notify": {"webhook": server.url}, "after": "prove"}}
    assert promote(world_of(fleet, steps), "west", BY)["result"] == "promoted"
    assert "NOT told: 500" in fleet.witness().journal(1, 1).outcome("step tell")["detail"]


def test_the_bodies_of_slack_and_pagerduty(fleet, server, monkeypatch):
    monkeypatch.setenv("HOOK", server.url + "/services/T0/s3cr3t-hook")
    monkeypatch.setenv("PD_KEY", "r0ut1ng-k3y")
    steps = {
        "slack": {"notify": {"webhook": "${env:HOOK}", "style": "slack"}, "when": ["end"]},
        "pager": {"notify": {"webhook": server.url + "/v2/enqueue", "style": "pagerduty", "key": "${env:PD_KEY}"}},
    }
    promote(world_of(fleet, steps), "west", BY)
    slack = next(heard.json for heard in server.heard if heard.path.startswith("/services"))
    assert slack == {"text": "drstack: promote of e to west has ended: promoted"}
    pager = [heard.json for heard in server.heard if heard.path == "/v2/enqueue"]
    assert {each["event_action"] for each in pager} == {"trigger", "resolve"}
    assert {each["dedup_key"] for each in pager} == {"drstack/e/1-1"}
    assert all(
        each["routing_key"] == "r0ut1ng-k3y" and each["payload"]["severity"] in ("warning", "info") for each in pager
    )
    kept = str([dict(record.body) for record in fleet.witness().journal(1, 1).records()])
    assert "s3cr3t-hook" not in kept
    assert "r0ut1ng" not in kept


class Mailbox(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as one message takes; recipients at nobody.test are refused."""

    def handle(self):
        said = self.server.said
        self.wfile.write(b"220 mail.test\r\n")
        while line := self.rfile.readline():
            text = line.decode().strip()
            said.append(text)
            verb = text.split(":")[0].split()[0].upper() if text else ""
            if verb == "EHLO":
                self.wfile.write(b"250-mail.test\r\n250 SIZE 1000000\r\n")
            elif verb == "RCPT" and "nobody.test" in text:
                self.wfile.write(b"550 no such user\r\n")
            elif verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                while (part := self.rfile.readline().decode()) != ".\r\n":
                    said.append(part.rstrip())
                self.wfile.write(b"250 taken\r\n")
            elif verb == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def mailbox():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)
    server.daemon_threads, server.said = True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def mailing(mailbox, *to):
    told = {"smtp": f"127.0.0.1:{mailbox.server_address[1]}", "sender": "dr@e.test", "to": list(to), "tls": "none"}
    return {"notify": {"email": told}, "when": ["end"]}


def test_a_mail_is_sent(fleet, mailbox):
    promote(world_of(fleet, {"mail": mailing(mailbox, "oncall@e.test", "x@nobody.test")}), "west", BY)
    assert "rcpt TO:<oncall@e.test>" in str(mailbox.said)
    assert "Subject: drstack: promote of e to west has ended: promoted" in mailbox.said
    assert any(line.startswith("X-Drstack-Token: e/1-1/mail/") for line in mailbox.said)
    [told] = [r.body for r in fleet.witness().journal(1, 1).records() if r.kind == "told"]
    assert told["detail"] == "mailed to oncall@e.test; refused for x@nobody.test"


def test_a_mail_that_nobody_takes_is_not_told(tmp_path, mailbox):
    declared = {"notify": mailing(mailbox, "x@nobody.test")["notify"], "after": "prove"}
    began = time.monotonic()
    assert "NOT told: not sent" in act(tmp_path, declared).detail
    assert time.monotonic() - began < 60
