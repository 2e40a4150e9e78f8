"""The service: what it tells, and that nothing that is away or unforeseen ends it."""

from __future__ import annotations

import json
import math
import re
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from drstack.errors import WitnessUnreachable
from drstack.readiness.catalogue import CATALOGUE
from drstack.readiness.gathering import nothing_seen
from drstack.readiness.judge import judge
from drstack.readiness.looking import Looked
from drstack.readiness.metrics import METRICS
from drstack.readiness.service import Service
from replicator.service.http import answering
from tests.drstack.readiness.situations import good
from tests.drstack.readiness.test_judge import BAD

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations" / "readiness.md"


class Script:
    """A looking that goes through what it is given, and stays with the last; an exception is raised."""

    environment = "e"

    def __init__(self, *looks) -> None:
        self.looks = list(looks)

    def look(self) -> Looked:
        one = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(one, Exception):
            raise one
        return one


def of(situation) -> Looked:
    return Looked(judge(situation), drills=situation.drills)


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def values(text: str) -> dict[tuple[str, frozenset], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def turned(*looks) -> Service:
    service = Service(Script(*looks), every_s=1)
    for _ in looks:
        service._turn()
    return service


def test_answers_with_the_last_judgement_and_ends_when_told():
    stop, service = threading.Event(), Service(Script(of(good()), of(BAD["site-unreachable"]())), every_s=0.05)
    with answering(("127.0.0.1", 0), service.pages(), name="drstack") as port:
        assert ask(port, "/readyz")[0] == 503
        assert ask(port, "/readiness.json")[0] == 503
        assert ask(port, "/healthz")[0] == 200
        runner = threading.Thread(target=service.run, args=(stop,))
        runner.start()
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            code, body = ask(port, "/readiness.json")
            if code == 200 and json.loads(body)["score"] == 0:
                break
            time.sleep(0.02)
        document = json.loads(body)
        assert [each["id"] for each in document["findings"]] == ["site-unreachable"]
        assert document["environment"] == "e"
        code, text = ask(port, "/metrics")
        assert code == 200
        told = values(text)
        assert told["drstack_readiness_score", frozenset({("environment", "e")})] == 0
        assert told["drstack_findings", frozenset({("environment", "e"), ("severity", "blocking")})] == 1
        assert ask(port, "/nowhere") == (404, "There are /metrics, /healthz, /readyz and /readiness.json.\n")
        stop.set()
        runner.join(30)
        assert not runner.is_alive()


def test_a_witness_that_is_away_is_a_finding_and_what_nobody_foresaw_is_counted():
    away = WitnessUnreachable("witness memory://w: no answer")
    missing = Looked(judge(nothing_seen("e", "memory://w", 1.0, away)), error=away)
    service = turned(of(good()), missing, ValueError("a bug"), of(good()))
    told = {reading.name: reading.value for reading in service.readings() if len(reading.labels) == 1}
    assert told["drstack_judgements_total"] == 4
    assert told["drstack_looks_failed_total"] == 2
    assert told["drstack_readiness_score"] == 100
    assert missing.readiness.findings[0].id == "witness-unreachable"
    assert missing.readiness.score == 0


def test_it_is_not_ready_once_its_judgement_is_old():
    service = turned(of(good()))
    service._clock = lambda: 1e12
    assert not service.ready().ok
    assert not service.lives().ok


@pytest.mark.parametrize("id_", sorted(BAD))
def test_every_judgement_can_be_scraped(id_):
    service = turned(of(BAD[id_]()))
    readings = list(service.readings())
    declared = {metric.name: metric for metric in METRICS}
    for reading in readings:
        assert len(reading.labels) == len(declared[reading.name].labels)
        assert not math.isnan(reading.value)
    assert len({(r.name, r.labels) for r in readings}) == len(readings), "a series was told twice"


def test_every_metric_and_every_finding_is_on_the_page_and_no_other_is():
    page = PAGE.read_text()
    rows = {
        cells[0].strip("`"): (cells[1], set(re.findall(r"`(\w+)`", cells[2])))
        for line in page.splitlines()
        if line.startswith("| `drstack_")
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    assert rows == {metric.name: (metric.kind, set(metric.labels)) for metric in METRICS}
    found = dict(re.findall(r"^\| `([a-z-]+)` \| (blocking|serious|warning|note) \|", page, re.MULTILINE))
    assert found == CATALOGUE
