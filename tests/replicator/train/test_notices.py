"""Cloud notices, against a local server that answers as AWS, Google and Microsoft document their metadata services."""

from __future__ import annotations

import http.server
import json
import threading
import time

import pytest

from replicator.train.notices import AwsNotices, AzureNotices, GcpNotices
from replicator.train.notices.detect import vendor_cloud
from replicator.train.notices.http import Metadata, NoticeUnreadable

TOKEN, ACTION = "/latest/api/token", "/latest/meta-data/spot/instance-action"
REBALANCE = "/latest/meta-data/events/recommendations/rebalance"
PREEMPTED = "/computeMetadata/v1/instance/preempted"
MAINTENANCE = "/computeMetadata/v1/instance/maintenance-event"
EVENTS, NAME = "/metadata/scheduledevents", "/metadata/instance/compute/name"


class MetadataServer:
    """Answers by path; `tokens` are the session tokens that IMDSv2 takes, None where none is asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.tokens: list[str] | None = None
        self.required: dict[str, str] = {}
        self.hang = threading.Event()
        self.hanging = False
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                outer.asked.append(("PUT", self.path))
                if self.path != TOKEN or not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
                    return self.say(400, "")
                outer.tokens = [f"token-{len(outer.asked)}"]
                return self.say(200, outer.tokens[0])

            def do_GET(self):
                outer.asked.append(("GET", self.path))
                if outer.hanging:
                    outer.hang.wait(60)
                if outer.tokens is not None and self.headers.get("X-aws-ec2-metadata-token") not in outer.tokens:
                    return self.say(401, "")
                if any(self.headers.get(name) != value for name, value in outer.required.items()):
                    return self.say(403, "")
                answer = outer.answers.get(self.path.split("?")[0])
                return self.say(404, "") if answer is None else self.say(200, answer)

            def say(self, status, text):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.service = Metadata(f"http://127.0.0.1:{self.server.server_port}", timeout_s=30)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    made = MetadataServer()
    yield made
    made.hang.set()
    made.server.shutdown()
    made.server.server_close()


def test_aws_says_nothing_until_it_takes_the_machine(server):
    server.tokens = []
    aws = AwsNotices(server.service)
    assert aws.look() is None
    server.answers[ACTION] = '{"action": "terminate", "time": "2017-09-18T08:22:00Z"}'
    notice = aws.look()
    assert (notice.certain, notice.ends_at) == (True, 1505722920.0)
    assert "terminate" in notice.reason
    assert [verb for verb, _ in server.asked].count("PUT") == 1


def test_aws_session_that_ended_is_begun_anew(server):
    server.tokens = []
    aws = AwsNotices(server.service)
    assert aws.look() is None
    server.tokens = ["another"]
    assert aws.look() is None
    assert [verb for verb, _ in server.asked].count("PUT") == 2


def test_aws_rebalance_is_advice(server):
    server.tokens = []
    server.answers[REBALANCE] = '{"noticeTime": "2020-10-27T08:22:00Z"}'
    notice = AwsNotices(server.service).look()
    assert not notice.certain
    assert notice.ends_at is None


def test_gcp_preemption_and_maintenance(server):
    server.required = {"Metadata-Flavor": "Google"}
    server.answers = {PREEMPTED: "FALSE", MAINTENANCE: "NONE"}
    gcp = GcpNotices(server.service, clock=lambda: 1000.0)
    assert gcp.look() is None
    server.answers[MAINTENANCE] = "MIGRATE_ON_HOST_MAINTENANCE"
    assert gcp.look() is None
    server.answers[MAINTENANCE] = "TERMINATE_ON_HOST_MAINTENANCE"
    assert gcp.look().ends_at == 1060.0
    server.answers[PREEMPTED] = "TRUE"
    assert gcp.look().ends_at == 1030.0


def event(kind, *, resources=("this",), status="Scheduled", not_before="Mon, 19 Sep 2016 18:29:47 GMT"):
    return json.dumps(
        {
            "DocumentIncarnation": 1,
            "Events": [
                {
                    "EventId": "f020ba2e-3bc0-4c40-a10b-86575a9eabd5", "EventType": kind, "ResourceType": "VirtualMachine",
                    "Resources": list(resources), "EventStatus": status, "NotBefore": not_before, "Description": "",
                    "EventSource": "Platform", "DurationInSeconds": -1,
                }
            ],
        }
    )  # fmt: skip


def test_azure_events_of_this_machine(server):
    server.required = {"Metadata": "true"}
    server.answers = {NAME: "this", EVENTS: '{"DocumentIncarnation": 1, "Events": []}'}
    azure = AzureNotices(server.service, clock=lambda: 5.0)
    assert azure.look() is None
    server.answers[EVENTS] = event("Freeze")
    assert azure.look() is None
    server.answers[EVENTS] = event("Preempt", resources=("another",))
    assert azure.look() is None
    server.answers[EVENTS] = event("Preempt")
    assert azure.look().ends_at == 1474309787.0
    server.answers[EVENTS] = event("Terminate", status="Started", not_before="")
    assert azure.look().ends_at == 5.0


@pytest.mark.parametrize(
    ("path", "answer"),
    [(ACTION, "<html>"), (ACTION, "[]"), (ACTION, '{"action": "stop", "time": "soon"}'), (REBALANCE, "\x00")],
)
def test_aws_rubbish_is_no_notice_and_no_silence(server, path, answer):
    server.tokens = []
    server.answers[path] = answer
    with pytest.raises(NoticeUnreadable):
        AwsNotices(server.service).look()


def test_rubbish_of_others_is_no_notice_and_no_silence(server):
    server.answers = {PREEMPTED: "perhaps", NAME: "this", EVENTS: '{"Events": 3}'}
    with pytest.raises(NoticeUnreadable):
        GcpNotices(server.service).look()
    with pytest.raises(NoticeUnreadable):
        AzureNotices(server.service).look()


def test_a_service_that_hangs_costs_its_timeout_only(server):
    server.hanging = True
    began = time.monotonic()
    with pytest.raises(NoticeUnreadable):
        GcpNotices(Metadata(server.service.base, timeout_s=0.2)).look()
    assert time.monotonic() - began < 30


def test_no_proxy_stands_between(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.answers = {PREEMPTED: "FALSE", MAINTENANCE: "NONE"}
    assert GcpNotices(server.service).look() is None


def test_the_cloud_is_known_by_its_firmware(tmp_path):
    for vendor, cloud in {"Amazon EC2": "aws", "Google": "gcp", "Microsoft Corporation": "azure", "ACME": None}.items():
        (tmp_path / "sys_vendor").write_text(vendor + "\n")
        assert vendor_cloud(tmp_path / "sys_vendor") == cloud
    assert vendor_cloud(tmp_path / "missing") is None
