"""Answers that a real network loses on the way from a real server, and what `claim` makes of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError
from replicator.log.claim import claim
from replicator.log.slots import SlotLog
from tests.replicator.stores.contract import fresh_names
from tests.replicator.stores.lossy_proxy import LossyProxy
from tests.replicator.stores.s3_servers import S3Server, credentials, moto, versity

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from replicator.stores.cloud import CloudStore

name = fresh_names()


@pytest.fixture(scope="module", params=["moto", pytest.param("versitygw", marks=pytest.mark.server)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    start = moto() if request.param == "moto" else versity(tmp_path_factory.mktemp("versitygw"))
    with credentials(), start as running:
        yield running


@pytest.fixture
def bucket(server: S3Server) -> str:
    bucket = name()
    server.make_bucket(bucket)
    return bucket


@pytest.fixture
def direct(server: S3Server, bucket: str) -> CloudStore:
    return server.store(bucket)


@pytest.fixture
def proxy(server: S3Server) -> Iterator[LossyProxy]:
    with LossyProxy(server.endpoint).running() as proxy:
        yield proxy


@pytest.fixture
def store(server: S3Server, bucket: str, proxy: LossyProxy) -> CloudStore:
    return server.store(bucket, endpoint=proxy.endpoint, timeout_s=1.0)


def test_an_object_whose_answer_was_lost_once_is_found_to_be_ours(store: CloudStore, proxy: LossyProxy) -> None:
    proxy.losses = ["answer"]
    outcome = claim(store, "log/w/1", b"mine", sleep=lambda _: None)
    assert outcome.ours
    assert proxy.puts >= 1


def test_an_object_whose_every_answer_is_lost_is_found_to_be_ours(
    store: CloudStore, direct: CloudStore, proxy: LossyProxy
) -> None:
    proxy.then = "answer"
    assert claim(store, "log/w/1", b"mine", sleep=lambda _: None).ours
    assert direct.get("log/w/1") == b"mine"


def test_a_slot_lost_to_another_is_known_even_when_every_answer_is_lost(
    store: CloudStore, direct: CloudStore, proxy: LossyProxy
) -> None:
    direct.create("log/w/1", b"theirs")
    proxy.then = "answer"
    outcome = claim(store, "log/w/1", b"mine", sleep=lambda _: None)
    assert not outcome.ours
    assert outcome.found == b"theirs"


def test_requests_that_never_arrive_leave_nothing_and_are_sent_again(
    store: CloudStore, direct: CloudStore, proxy: LossyProxy
) -> None:
    proxy.losses = ["request"] * 6
    assert claim(store, "log/w/1", b"mine", sleep=lambda _: None).ours
    assert proxy.puts > 6
    proxy.then = "request"
    with pytest.raises(OutcomeUnknown):
        claim(store, "log/w/2", b"mine", tries=2, sleep=lambda _: None)
    with pytest.raises(KeyMissing):
        direct.get("log/w/2")


@pytest.mark.server
def test_a_body_damaged_on_the_way_is_not_stored_and_is_sent_again(tmp_path: Path) -> None:
    with credentials(), versity(tmp_path) as server, LossyProxy(server.endpoint).running() as proxy:
        bucket = name()
        server.make_bucket(bucket)
        store = server.store(bucket, endpoint=proxy.endpoint, timeout_s=1.0)
        proxy.then = "damage"
        with pytest.raises(StoreError) as refused:
            store.create("packs/aa/x", b"x" * 100_000)
        assert not isinstance(refused.value, KeyExists)
        with pytest.raises(KeyMissing):
            server.store(bucket).get("packs/aa/x")
        proxy.then = "none"
        assert claim(store, "packs/aa/x", b"x" * 100_000, sleep=lambda _: None).ours


def test_a_write_that_was_put_off_is_neither_won_nor_lost_until_it_was_read(
    store: CloudStore, direct: CloudStore, proxy: LossyProxy
) -> None:
    proxy.then = "conflict"
    with pytest.raises(OutcomeUnknown):
        store.create("log/w/1", b"mine")
    with pytest.raises(KeyMissing):
        direct.get("log/w/1")

    def calm(_: float) -> None:
        proxy.then = "none"

    assert claim(store, "log/w/1", b"mine", sleep=calm).ours
    proxy.then = "conflict"
    direct.create("log/w/2", b"theirs")
    assert claim(store, "log/w/2", b"mine", sleep=lambda _: None).found == b"theirs"


def test_silence_ends_within_the_timeouts(store: CloudStore, proxy: LossyProxy) -> None:
    proxy.then = "silence"
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        store.create("log/w/1", b"mine")
    assert time.monotonic() - started < 10.0


def test_a_log_whose_answers_are_lost_now_and_then_stays_dense_and_takes_each_entry_once(
    store: CloudStore, direct: CloudStore, proxy: LossyProxy
) -> None:
    proxy.losses = ["answer", "none", "request", "answer", "answer", "none", "answer"]
    log = SlotLog(store, "log/w", clock=lambda: 0.0, token=name, sleep=lambda _: None)
    for n in range(6):
        log.append(lambda _, n=n: ("entry", {"n": n}))
    fresh = SlotLog(direct, "log/w", clock=lambda: 0.0, token=name)
    assert [record.body["n"] for record in fresh.read()] == list(range(6))
