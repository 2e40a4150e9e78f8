"""What a running service tells Prometheus and its supervisor, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from replicator.errors import ReplicatorError, StoreUnavailable
from replicator.service.config import Reread, needs_restart, with_objectives_of
from replicator.service.health import Facts, lives, ready
from replicator.service.listen import address, listening
from replicator.service.metrics import METRICS, Reading, exposition
from replicator.service.service import Service
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from replicator.stores.meter import Meter, MeteredStore
from tests.replicator.service.test_service import config, repository, running, save, steps, until
from tests.replicator.stores.test_wrappers import Trouble


def scrape(port: int, path: str = "/metrics") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def values(text: str) -> dict[tuple[str, ...], float]:
    """By (sample, workload, destination)."""
    return {
        (s.name, s.labels.get("workload", ""), s.labels.get("destination", "")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


@pytest.fixture
def stores(tmp_path):
    (tmp_path / "east").mkdir()
    return {name: repository(tmp_path / "stores" / name, name) for name in ("east", "west")}


def date_back(tmp_path, step, seconds):
    file = tmp_path / "east" / "ck" / f"step-{step:08d}" / "model.safetensors"
    os.utime(file, (time.time() - seconds,) * 2)


def with_rpo(tmp_path, rpo_s=600.0, **more):
    settings = config(tmp_path, **more)
    watched = settings.workloads[0].model_copy(update={"rpo_s": rpo_s})
    return settings.model_copy(update={"workloads": (watched,)})


@pytest.mark.slow
def test_the_service_tells_of_each_destination_and_sigterm_parks_what_one_that_is_away_lacks(tmp_path, stores):
    save(tmp_path, 10)
    path = tmp_path / "config.json"
    path.write_text(with_rpo(tmp_path).model_dump_json())
    process = subprocess.Popen(
        [sys.executable, "-m", "replicator", "run", "--config", str(path), "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = [process.stderr.readline()]
        while "listening on port" not in said[-1]:
            said.append(process.stderr.readline())
        port = int(re.search(r"port (\d+)", said[-1])[1])
        until(lambda: steps(tmp_path, "west") == [10])
        until(lambda: values(scrape(port)[1]).get(("replicator_commits_total", "gpt", "west")) == 1)
        found = values(scrape(port)[1])
        assert found["replicator_writer", "gpt", ""] == 1
        assert found["replicator_raw_bytes_total", "gpt", "west"] > 400_000
        stored = found["replicator_stored_bytes_total", "gpt", "west"]
        assert 0 < stored < found["replicator_sent_bytes_total", "gpt", "west"]
        assert found["replicator_lag_seconds", "gpt", "west"] == 0
        assert 0 <= found["replicator_exposure_seconds", "gpt", "west"] < 600
        assert scrape(port, "/healthz")[0] == 200
        code, text = scrape(port, "/readyz")
        assert code == 200
        assert set(json.loads(text)["last_contact_s"]) == {"east", "west"}
        assert scrape(port, "/else")[0] == 404
        (tmp_path / "stores" / "west").rename(tmp_path / "away")
        save(tmp_path, 20)
        until(lambda: steps(tmp_path, "east") == [10, 20])
        until(lambda: values(scrape(port)[1])["replicator_lag_steps", "gpt", "west"] == 10)
        until(lambda: "StoreUnavailable" in scrape(port)[1])
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=20)[1]
    finally:
        process.kill()
        process.wait(10)
    assert process.returncode == 0
    parked = [json.loads(line) for line in rest.splitlines() if "parked in the spool" in line]
    assert [(each["destination"], each["step"]) for each in parked] == [("west", 20)]
    assert len(list((tmp_path / "east" / "spool" / "gpt").glob("1.2-*"))) == 1


def test_stopping_ships_what_waits_and_takes_what_was_saved_last(tmp_path, stores):
    """Nothing is looked for between the last round and the end but by draining."""
    settings = config(tmp_path).model_copy(update={"poll_s": 3.0})
    stop = threading.Event()
    service = Service(settings)
    thread = threading.Thread(target=service.run, args=(stop,), daemon=True)
    thread.start()
    save(tmp_path, 10)
    stop.set()
    thread.join(20)
    assert steps(tmp_path, "west") == steps(tmp_path, "east") == [10]


def test_draining_ends_when_its_time_is_over(tmp_path, stores, monkeypatch):
    settings = config(tmp_path).model_copy(update={"drain_s": 0.5})
    monkeypatch.setattr("replicator.service.shipping.Shipping.ship_pending", lambda self, stop: None)
    service = Service(settings)
    save(tmp_path, 10)
    stop = threading.Event()
    stop.set()
    with capture_logs() as said:
        service.run(stop)
    assert [each["event"] for each in said].count("parked in the spool") == 2


def test_a_follower_that_gets_nothing_new_for_two_intervals_says_so_and_when_it_is_over(tmp_path, stores):
    (tmp_path / "west").mkdir()
    with running(config(tmp_path)):
        for step in (10, 20):
            save(tmp_path, step)
            until(lambda step=step: step in steps(tmp_path, "west"))
    follower = Service(config(tmp_path, "west"))
    follower.look()
    alarm = follower._alarms[0]
    first, last = alarm.workload.saves
    with capture_logs() as said:
        alarm.look(last + 1.9 * (last - first))
        assert not said
        alarm.look(last + 2.1 * (last - first))
        alarm.look(last + 2.2 * (last - first))
    assert [(each["event"], each["destination"]) for each in said] == [("nothing new arrives", "west")]
    assert Reading("replicator_stalled", ("gpt", "west"), 1.0) in list(follower.readings())


def test_a_writer_predicts_that_a_destination_will_miss_the_objective(tmp_path, stores):
    with running(with_rpo(tmp_path)):
        save(tmp_path, 10)
        date_back(tmp_path, 10, 100.0)
        until(lambda: steps(tmp_path, "west") == [10])
    service = Service(with_rpo(tmp_path))
    service.look()
    east, west = service._workloads[0].shippers
    for shipper in (east, west):
        shipper._catch_up()
    (tmp_path / "stores" / "west").rename(tmp_path / "away")
    save(tmp_path, 20)
    for _ in range(3):
        service.look()
    stop = threading.Event()
    for shipper in (east, west):
        shipper.ship_pending(stop)
    text = values(exposition(service.readings).decode())
    assert text["replicator_rpo_breach_predicted_seconds", "gpt", "east"] == float("inf")
    assert 400 < text["replicator_rpo_breach_predicted_seconds", "gpt", "west"] <= 500
    assert text["replicator_queue_checkpoints", "gpt", "west"] == 1


@pytest.mark.slow
def test_what_the_destination_held_before_the_start_counts(tmp_path, stores):
    with running(config(tmp_path)):
        save(tmp_path, 10)
        until(lambda: steps(tmp_path, "west") == [10])
    with running(config(tmp_path)):
        status = lambda: json.loads((tmp_path / "east.json").read_text())["workloads"]["gpt"]["destinations"]["west"]  # noqa: E731
        until(lambda: status()["last_step"] == 10 and status()["committed"] == 0)


def test_a_reading_that_is_not_declared_is_an_error():
    with pytest.raises(KeyError, match="surprise"):
        exposition(lambda: [Reading("surprise", (), 1.0)])


def test_readiness_needs_logs_and_spool_and_names_who_is_silent():
    facts = Facts(100.0, {"gpt": 95.0}, None, {"west": None, "east": 90.0})
    assert ready(facts, 100.0).ok
    assert ready(facts, 100.0).document["last_contact_s"] == {"west": None, "east": 10.0}
    assert not ready(Facts(100.0, {"gpt": None}, None), 100.0).ok
    assert ready(Facts(100.0, {"gpt": 1.0, "b": 99.0}, None), 100.0).document["logs_not_read"] == ["gpt"]
    assert not ready(Facts(100.0, {"gpt": 95.0}, "/spool: Read-only file system"), 100.0).ok
    assert lives(facts, 150.0).ok
    assert not lives(facts, 161.0).ok


@pytest.mark.parametrize("text", ["9464", "host:1", "127.0.0.1:x", "127.0.0.1:70000", ""])
def test_an_address_that_is_none_is_refused_with_the_remedy(text):
    with pytest.raises(ReplicatorError, match="--listen") as caught:
        address(text)
    assert "127.0.0.1" in caught.value.hint


def test_a_port_in_use_is_named():
    class Nothing:
        def readings(self):
            return []

    with (
        listening(("127.0.0.1", 0), Nothing()) as port,
        pytest.raises(ReplicatorError, match=str(port)),
        listening(("127.0.0.1", port), Nothing()),
    ):
        pass


def test_a_meter_counts_what_was_given_and_the_kinds_of_failure():
    now = iter(range(100))
    meter = Meter(lambda: 5.0)
    store = MeteredStore(
        FaultyStore(memory_store(), Trouble(before=[StoreUnavailable("away")])), meter, lambda: float(next(now))
    )
    with pytest.raises(StoreUnavailable):
        store.create("a", b"x" * 100_000)
    assert (meter.sent_bytes, meter.rate_bytes_per_s, meter.contact_at) == (100_000, 0.0, None)
    store.create("a", b"x" * 100_000)
    assert (meter.sent_bytes, meter.rate_bytes_per_s, meter.contact_at) == (200_000, 100_000.0, 5.0)
    assert meter.kinds() == {"StoreUnavailable": 1}


def test_every_metric_is_declared_once_and_its_kind_shows_in_its_name():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name


def test_an_objective_is_taken_up_as_it_runs_and_nothing_else_is(tmp_path, stores):
    told = tmp_path / "config.json"
    before = with_rpo(tmp_path)
    told.write_text(before.model_dump_json())
    service = Service(before, Reread(told))
    changed = [each.model_copy(update={"rpo_s": 7.0, "keep": 3}) for each in before.workloads]
    after = before.model_copy(update={"workloads": tuple(changed)})
    assert needs_restart(before, after)
    assert not needs_restart(before, with_objectives_of(before, after))
    told.write_text(after.model_dump_json() + "\n")
    service.look()
    watched = service._workloads[0].watched
    assert (watched.rpo_s, watched.keep) == (7.0, before.workloads[0].keep)
    assert Reading("replicator_rpo_seconds", ("gpt",), 7.0) in list(service.readings())
    told.write_text("{")
    service.look()
    assert service._workloads[0].watched.rpo_s == 7.0
