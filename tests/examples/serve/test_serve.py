"""A replica as a process: ready only with a recovery point, reloads without losing a request, serves nothing damaged."""

from __future__ import annotations

import shutil
import socket
import threading

import pytest

from drstack.platforms.local.replicas import pick_port
from tests.examples.serve.conftest import Replica

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PROMPT = {"prompt": "def ", "tokens": 4}


@pytest.fixture
def replica(shelf, tmp_path):
    made = Replica(shelf, tmp_path, pick_port(()))
    yield made
    made.stop()


def test_a_replica_from_empty_to_the_newest_recovery_point(shelf, trained, replica):
    replica.until(lambda: replica.ask("GET", "/healthz") is not None)
    status, headers, body = replica.ask("GET", "/healthz")
    assert (status, body["ready"], headers["X-Drstack-Site"]) == (503, False, "east")
    assert replica.ask("POST", "/generate", PROMPT)[0] == 503

    shelf.put(trained / "step-00000010", 10, receipts=False)
    shelf.put(trained / "step-00000010", 10)
    replica.until(lambda: replica.ask("GET", "/healthz")[0] == 200)
    status, headers, body = replica.ask("POST", "/generate", PROMPT)
    assert (status, headers["X-Drstack-Step"], body["step"], body["commit"]) == (200, "10", 10, "1.2")
    assert len(body["text"].encode()) >= 4
    assert replica.ask("POST", "/generate", PROMPT)[2]["text"] == body["text"]

    answers, stop = [], threading.Event()

    def keep_asking():
        while not stop.is_set():
            answers.append(replica.ask("POST", "/generate", PROMPT))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    shelf.put(trained / "step-00000020", 20)
    replica.until(lambda: replica.ask("GET", "/step")[2]["step"] == 20)
    replica.until(lambda: answers and answers[-1] is not None and answers[-1][2].get("step") == 20)
    stop.set()
    asking.join(60)
    assert [answer[0] for answer in answers if answer is not None] == [200] * len(answers)
    steps = [answer[2]["step"] for answer in answers]
    assert steps == sorted(steps)
    assert {path.name for path in replica.weights.iterdir()} == {"1.3"}

    broken = trained.parent / "not-a-model"
    shutil.copytree(trained / "step-00000020", broken)
    (broken / ".metadata").write_bytes(b"rubbish")
    shelf.put(broken, 30)
    replica.until(lambda: "no model" in str(replica.ask("GET", "/healthz")[2]["trouble"]))
    assert replica.ask("POST", "/generate", PROMPT)[2]["step"] == 20
    shelf.put(trained / "step-00000010", 40)
    replica.until(lambda: "commit says 40" in str(replica.ask("GET", "/healthz")[2]["trouble"]))
    assert replica.ask("GET", "/step")[2]["step"] == 20

    refusals = [
        (("POST", "/generate", {"prompt": ""}), 400), (("POST", "/generate", {"prompt": "x", "tokens": 0}), 400),
        (("POST", "/generate", {"prompt": "x", "tokens": True}), 400), (("POST", "/generate", b"{"), 400),
        (("POST", "/generate", b"[]"), 400), (("POST", "/generate", b"x" * 70_000), 400),
        (("GET", "/../etc/passwd", None), 404), (("POST", "/step", {}), 404),
    ]  # fmt: skip
    for (method, path, body), expected in refusals:
        answer = replica.ask(method, path, body)
        assert answer is not None, (method, path)
        assert answer[0] == expected
        assert answer[2]["error"]
    assert replica.ask("POST", "/generate", PROMPT)[0] == 200
    assert replica.stop()[0] == 0


def test_a_port_that_is_taken_is_told(shelf, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        replica = Replica(shelf, tmp_path, taken.getsockname()[1])
        said, _ = replica.process.communicate(timeout=240)
    assert replica.process.returncode == 2
    assert "cannot be had" in said
