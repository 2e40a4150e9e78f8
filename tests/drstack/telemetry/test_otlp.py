"""Operations as traces: what a real receiver of OTLP gets, and that a bad one costs an operation nothing."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from drstack.errors import ActuatorFailed, DrstackError
from drstack.recovery.conduct import promote
from drstack.recovery.control import abort, resume
from drstack.recovery.history import document, past_operations
from drstack.recovery.plan import Given
from drstack.recovery.tracing import NoSpans
from drstack.telemetry.otlp import ROOM, Exporter, clean, spans_from
from tests.drstack.recovery.fleet import Fleet

ADA = Given(by="ada", reason="the reason stays here")


class Receiver:
    """Takes what an exporter posts; decodes it as the protocol says."""

    def __init__(self, status=200):
        self.spans, self.resources, self.bodies, received = [], [], [], self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if status == 200 and self.path == "/v1/traces":
                    received.take(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_address[1]}"}

    def take(self, body):
        self.bodies.append(body)
        request = ExportTraceServiceRequest.FromString(body)
        for group in request.resource_spans:
            self.resources.append({each.key: each.value.string_value for each in group.resource.attributes})
            self.spans += [span for scope in group.scope_spans for span in scope.spans]

    def named(self, name):
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def receiver(monkeypatch):
    made = Receiver()
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    yield made
    made.server.shutdown()


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path, names=("a", "b"))
    made.save()
    return made


def told(span):
    return {each.key: each.value.string_value for each in span.attributes}


def test_an_operation_is_one_trace_across_operators_and_resumes(fleet, receiver):
    left = ["start b"]

    def trouble(act):
        if act in left:
            left.remove(act)
            raise ActuatorFailed("no GPU at http://me:hunter2@host/x?sig=abc")

    fleet.sites["west"].trouble = trouble
    ada, grace = spans_from(os.environ), spans_from(os.environ)
    with pytest.raises(DrstackError, match="no GPU"):
        promote(fleet.world(by="ada", spans=ada), "west", ADA)
    resume(fleet.world(by="grace", spans=grace), by="grace")
    ada.close(30)
    grace.close(30)
    [trace] = {span.trace_id for span in receiver.spans}
    every = document("e", past_operations(fleet.witness()))
    assert trace.hex() == every["operations"][0]["trace_id"]
    [root] = [span for span in receiver.spans if not span.parent_span_id]
    assert (root.name, told(root)["drstack.result"]) == ("promote e", "promoted")
    assert {span.parent_span_id for span in receiver.spans if span is not root} == {root.span_id}
    assert len({span.span_id for span in receiver.spans}) == len(receiver.spans)
    first, second = sorted(receiver.named("start b"), key=lambda span: span.start_time_unix_nano)
    assert (first.status.code, second.status.code) == (2, 1)
    assert first.status.message == "no GPU at http://host/x"
    assert (told(first)["drstack.operator"], told(second)["drstack.operator"]) == ("ada", "grace")
    assert (told(first)["drstack.outcome"], told(first)["error.type"]) == ("failed", "ActuatorFailed")
    assert (told(second)["drstack.site"], told(second)["drstack.workload"]) == ("west", "b")
    plan = fleet.witness().journal(1, 1).plan()
    assert {step["id"] for step in plan["steps"]} <= {span.name for span in receiver.spans}
    for span in receiver.spans:
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert receiver.resources[0]["service.name"] == "drstack"
    everything = b"".join(receiver.bodies)
    assert not [secret for secret in (b"hunter2", b"sig=abc", b"the reason stays here") if secret in everything]


def test_an_aborted_operation_is_told_as_one(fleet, receiver):
    fleet.sites["west"].trouble = lambda act: (
        (_ for _ in ()).throw(ActuatorFailed("dark")) if "capacity" in act else None
    )
    spans = spans_from(os.environ)
    with pytest.raises(DrstackError):
        promote(fleet.world(spans=spans), "west", ADA)
    abort(fleet.world(spans=spans), by="grace", reason="enough")
    spans.close(30)
    [root] = [span for span in receiver.spans if not span.parent_span_id]
    assert (told(root)["drstack.result"], root.status.code) == ("aborted", 2)


def test_a_receiver_that_swallows_everything_delays_nothing_and_is_said_once(fleet):
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        said = []
        spans = spans_from({"OTEL_EXPORTER_OTLP_ENDPOINT": "x"}, said.append)
        began = threading.Event()

        def send(_):
            began.set()
            with socket.create_connection(hole.getsockname()) as line:
                line.recv(1)

        spans._make = lambda: send
        assert promote(fleet.world(spans=spans), "west", ADA)["result"] == "promoted"
        assert began.wait(30)
        before = time.monotonic()
        spans.close(0.5)
        assert time.monotonic() - before < 30, "the flush is bounded"
        assert said == ["traces are not sent: the receiver did not answer within 0.5 s"]
        spans.close(0.5)
        assert len(said) == 1


def test_a_receiver_that_refuses_is_said_once(fleet, monkeypatch):
    refusing = Receiver(status=400)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
    said = []
    spans = spans_from(os.environ, said.append)
    assert promote(fleet.world(spans=spans), "west", ADA)["result"] == "promoted"
    spans.close(60)
    assert said == ["traces are not sent: the receiver did not take them"]
    refusing.server.shutdown()


@pytest.mark.parametrize(
    "environ",
    [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"},
     {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}],
)  # fmt: skip
def test_nothing_is_sent_unless_it_is_asked_for(environ):
    assert isinstance(spans_from(environ), NoSpans)


def test_another_protocol_and_a_missing_extra_are_said(fleet):
    said = []
    spans = spans_from({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, said.append)
    promote(fleet.world(spans=spans), "west", ADA)
    spans.close(30)
    assert said == [
        "traces are not sent: grpc is not spoken here; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"
    ]


def test_secrets_of_this_process_do_not_leave():
    assert clean("token s3cr3t-value at s3://u:p@host/b?X-Amz=1 end", ["s3cr3t-value"]) == "token … at s3://host/b end"


def test_a_process_ends_though_the_receiver_swallows_everything(tmp_path):
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen()
        code = (
            "import os, sys, time; from drstack.telemetry.otlp import spans_from; from drstack.recovery.tracing import Span\n"
            "spans = spans_from(os.environ); spans.ended(Span('1' * 32, '2' * 16, None, 'x', time.time(), time.time()))\n"
            "print('done', flush=True)"
        )
        environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://{}:{}".format(*hole.getsockname())}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=120, check=True
        )
    assert done.stdout == "done\n"
    assert re.fullmatch(r"warning: traces are not sent: .*\n", done.stderr), done.stderr


def test_what_ends_while_nothing_can_be_sent_is_dropped_without_waiting():
    hold, sending, said = threading.Event(), threading.Event(), []

    def send(_):
        sending.set()
        hold.wait(60)

    spans = Exporter(lambda: send, said.append)
    spans.ended(json)  # any value: nobody looks at it
    assert sending.wait(60)
    for _ in range(ROOM + 1):
        spans.ended(json)
    assert said == ["traces are not sent: more ended than could be sent"]
    hold.set()
    began = time.monotonic()
    spans.close(600)
    assert time.monotonic() - began < 300, "what was full and is sent is not waited for"
