"""Real S3 servers behind a network that cuts, slows, resets and swallows answers; what `create` and `claim` make of it.

No fault may make a create that is not there look done, nor give one slot to two.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreUnavailable
from replicator.log.claim import Claim, claim
from replicator.log.slots import SlotLog
from replicator.stores.clients import Patience
from tests.replicator.stores.contract import fresh_names
from tests.replicator.stores.s3_servers import PROCESSES, S3Server, credentials
from tests.replicator.stores.toxics import ToxicProxy, Toxiproxy, toxiproxy_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.cloud import CloudStore

pytestmark = pytest.mark.server
name = fresh_names()
BRISK = Patience(answer_s=1.0)
"""Where nothing but the end of patience tells that no answer comes."""
CALM = Patience(answer_s=60.0)
SETTLE_S = 60.0
PACK = b"p" * 300_000


@pytest.fixture(scope="module")
def toxiproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toxiproxy]:
    with toxiproxy_server(tmp_path_factory.mktemp("toxiproxy")) as server:
        yield server


@pytest.fixture(scope="module", params=list(PROCESSES))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with credentials(), PROCESSES[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def bucket(server: S3Server) -> str:
    bucket = name()
    server.make_bucket(bucket)
    return bucket


@pytest.fixture
def direct(server: S3Server, bucket: str) -> CloudStore:
    return server.store(bucket, patience=CALM)


@pytest.fixture
def proxy(server: S3Server, toxiproxy: Toxiproxy) -> ToxicProxy:
    return toxiproxy.proxy(server.endpoint)


@pytest.fixture
def through(server: S3Server, bucket: str, proxy: ToxicProxy) -> Callable[..., CloudStore]:
    """The same bucket through the proxy; each time with connections of its own."""
    return lambda patience=CALM: server.store(bucket, endpoint=proxy.endpoint, patience=patience)


def healing(proxy: ToxicProxy) -> Callable[[float], None]:
    """In place of the wait between two tries: the network is well again."""
    return lambda _: proxy.heal()


def test_an_upload_cut_in_the_middle_leaves_nothing_and_is_sent_again(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    proxy.poison("limit_data", "upstream", bytes=100_000)
    with pytest.raises(OutcomeUnknown):
        through().create("packs/aa/1", PACK)
    with pytest.raises(KeyMissing):
        direct.get("packs/aa/1")
    assert claim(through(), "packs/aa/1", PACK, sleep=healing(proxy)).ours
    assert direct.get("packs/aa/1") == PACK


def test_a_reset_before_the_server_heard_anything_is_unknown_and_then_won(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    proxy.poison("reset_peer", "upstream", timeout=0)
    with pytest.raises(OutcomeUnknown):
        through().create("log/w/1", b"mine")
    assert claim(through(), "log/w/1", b"mine", sleep=healing(proxy)).ours
    assert direct.get("log/w/1") == b"mine"


LOST: dict[str, tuple[str, dict[str, int]]] = {
    "swallowed": ("timeout", {"timeout": 0}),
    "reset": ("reset_peer", {"timeout": 0}),
    "cut short": ("limit_data", {"bytes": 20}),
}


def settled(store: CloudStore, key: str) -> bytes:
    """What the server holds, once it has come to what it was sent."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        try:
            return store.get(key)
        except KeyMissing:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("how", LOST)
def test_an_answer_that_is_lost_after_the_put_took_effect_is_no_success_and_the_slot_is_found_to_be_ours(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy, how: str
) -> None:
    kind, attributes = LOST[how]
    proxy.poison(kind, "downstream", **attributes)
    store = through(BRISK if how == "swallowed" else CALM)
    with pytest.raises((OutcomeUnknown, KeyExists)):
        store.create("log/w/1", b"mine")
    assert settled(direct, "log/w/1") == b"mine"
    assert claim(store, "log/w/2", b"mine too", sleep=healing(proxy)).ours
    assert direct.get("log/w/2") == b"mine too"


def test_a_slot_that_a_rival_holds_is_lost_also_when_every_first_answer_is(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    direct.create("log/w/1", b"theirs")
    proxy.poison("reset_peer", "downstream", timeout=0)
    assert claim(through(), "log/w/1", b"mine", sleep=healing(proxy)) == Claim(ours=False, found=b"theirs")


def test_a_put_that_arrives_after_a_rivals_loses_the_slot(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    """The delay is longer than anybody waits: what was sent first arrives last, when its sender already asks again."""
    proxy.poison("latency", "upstream", latency=3000)
    with pytest.raises(OutcomeUnknown):
        through(BRISK).create("log/w/1", b"mine")
    outcome = claim(direct, "log/w/1", b"theirs")
    proxy.heal()
    mine = claim(through(), "log/w/1", b"mine")
    assert outcome.ours != mine.ours
    assert direct.get("log/w/1") == outcome.found == mine.found


@pytest.mark.parametrize("server", ["versitygw"], indirect=True)
def test_a_proxy_that_is_down_is_no_missing_key_and_heals_without_a_new_store(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    store = through()
    store.create("log/w/1", b"x")
    proxy.cut()
    for verb in (lambda: store.get("log/w/1"), lambda: store.size("log/w/9"), lambda: list(store.list("log"))):
        with pytest.raises(StoreUnavailable):
            verb()
    with pytest.raises(OutcomeUnknown):
        store.create("log/w/2", b"y")
    proxy.join()
    assert store.get("log/w/1") == b"x"
    store.create("log/w/2", b"y")
    assert direct.get("log/w/2") == b"y"


@pytest.mark.parametrize("server", ["versitygw"], indirect=True)
def test_a_delay_within_the_patience_is_only_slow(through: Callable[..., CloudStore], proxy: ToxicProxy) -> None:
    proxy.poison("latency", "downstream", latency=300)
    store = through()
    started = time.monotonic()
    store.create("log/w/1", b"x")
    assert store.get("log/w/1") == b"x"
    assert time.monotonic() - started >= 0.6


@pytest.mark.parametrize("server", ["versitygw"], indirect=True)
def test_a_large_object_over_a_slow_link_gets_the_time_that_its_size_needs(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    """256 KiB at 128 KB/s take two seconds: too long for a record, in time for what is that large."""
    body = b"s" * 262_144
    proxy.poison("bandwidth", "upstream", rate=128)
    as_if_small = Patience(answer_s=1.0, small_bytes=262_144)
    with pytest.raises(OutcomeUnknown):
        through(as_if_small).create("packs/aa/1", body)
    by_size = Patience(answer_s=1.0, small_bytes=4096, slowest_bytes_per_s=4096)
    assert by_size.limit_s(len(body)) > 60
    through(by_size).create("packs/aa/2", body)
    assert direct.get("packs/aa/2") == body


@pytest.mark.parametrize("server", ["versitygw"], indirect=True)
def test_a_slow_download_goes_on_as_long_as_bytes_come_and_a_stalled_one_ends(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    body = b"s" * 300_000
    direct.create("packs/aa/1", body)
    proxy.poison("bandwidth", "downstream", rate=128)
    started = time.monotonic()
    assert through(Patience(answer_s=2.0)).get("packs/aa/1") == body
    assert time.monotonic() - started > 2.0
    proxy.heal()
    proxy.poison("timeout", "downstream", timeout=0)
    with pytest.raises(StoreUnavailable):
        through(BRISK).get("packs/aa/1")


def test_eight_writers_of_one_slot_over_a_bad_network_agree_on_one_winner(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    proxy.poison("reset_peer", "downstream", share=0.4, timeout=0)
    outcomes: list[tuple[bytes, Claim]] = []
    ready = threading.Barrier(8)

    def compete(n: int) -> None:
        body, store = f"writer {n}".encode(), through()
        ready.wait()
        while True:
            try:
                outcomes.append((body, claim(store, "log/w/1", body, sleep=lambda _: None)))
            except OutcomeUnknown:  # nobody could say; whoever asks again must still be told the truth
                store = through()
            else:
                return

    threads = [threading.Thread(target=compete, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    winner = direct.get("log/w/1")
    assert len(outcomes) == 8
    assert [body for body, outcome in outcomes if outcome.ours] == [winner]
    assert {outcome.found for _, outcome in outcomes} == {winner}


def test_a_log_over_a_bad_network_stays_dense_and_takes_each_entry_once(
    through: Callable[..., CloudStore], direct: CloudStore, proxy: ToxicProxy
) -> None:
    proxy.poison("reset_peer", "downstream", share=0.3, timeout=0)
    told: list[int] = []
    for n in range(5):
        while n not in told:
            log = SlotLog(through(), "log/w", clock=lambda: 0.0, token=name, sleep=lambda _: None)
            try:
                log.append(lambda known, n=n: None if any(r.body["n"] == n for r in known) else ("entry", {"n": n}))
            except (OutcomeUnknown, StoreUnavailable):
                continue
            told.append(n)
    fresh = SlotLog(direct, "log/w", clock=lambda: 0.0, token=name)
    assert [record.body["n"] for record in fresh.read()] == list(range(5))
