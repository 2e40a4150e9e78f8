"""A whole push and a whole restore over a network that cuts, resets and loses answers: complete or absent, never between."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from replicator.errors import StoreError
from replicator.model import CommitId
from replicator.repository.progress import KeptProgress
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.select import select
from replicator.repository.ship import ship
from replicator.stores.clients import Patience
from replicator.stores.meter import Meter, MeteredStore
from replicator.stores.retry import RetryingStore
from tests.replicator.repository.rig import checkpoint, contents, cut_every, push, repository
from tests.replicator.stores.contract import fresh_names
from tests.replicator.stores.s3_servers import S3Server, credentials, minio_server
from tests.replicator.stores.toxics import ToxicProxy, Toxiproxy, toxiproxy_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.cases import Cases

pytestmark = pytest.mark.server
name = fresh_names()
SIZE = 120_000
CALM = Patience(answer_s=60.0)


@pytest.fixture(scope="module")
def toxiproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toxiproxy]:
    with toxiproxy_server(tmp_path_factory.mktemp("toxiproxy")) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with credentials(), minio_server(tmp_path_factory.mktemp("minio")) as running:
        yield running


class Place:
    """One repository, seen directly and over the bad network. Its store's tries are those of any, its waits short."""

    def __init__(self, server: S3Server, proxy: ToxicProxy) -> None:
        bucket = name()
        server.make_bucket(bucket)
        self.proxy = proxy
        self.direct = repository(server.store(bucket, patience=CALM))
        far = server.store(bucket, endpoint=proxy.endpoint, patience=CALM)
        self.far = Repository("west", RetryingStore(far, attempts=2, wait_s=0.01))

    def commits(self) -> list[CommitId]:
        fresh = Repository("west", self.direct.store)
        return list(fresh.log("gpt").view().accepted)


@pytest.fixture
def place(server: S3Server, toxiproxy: Toxiproxy) -> Place:
    return Place(server, toxiproxy.proxy(server.endpoint))


def is_whole(place: Place, saved: Path, into: Path) -> bool:
    restore(place.direct, select(place.direct, "gpt", "1.1"), into)
    return contents(into) == contents(saved)


@pytest.fixture(autouse=True)
def _counted(cases: Cases) -> None:
    cases.ran(1)


@pytest.mark.faults("links", 3, 3)
@pytest.mark.parametrize("after", [300, SIZE - 1, SIZE + 4_000])
def test_a_push_whose_connections_are_cut_after_so_many_bytes_is_whole_or_absent(
    place: Place, tmp_path: Path, after: int
) -> None:
    snapshot = checkpoint(tmp_path / "saved", 10, size=SIZE)
    place.proxy.poison("limit_data", "upstream", bytes=after)
    try:
        ship(push(1, 10), snapshot, place.far)
    except StoreError:
        assert place.commits() == [] or is_whole(place, tmp_path / "saved", tmp_path / "early")
    else:
        assert after > SIZE
        assert is_whole(place, tmp_path / "saved", tmp_path / "early")
    place.proxy.heal()
    ship(push(1, 10), snapshot, place.far)
    assert place.commits() == [CommitId(1, 1)]
    assert is_whole(place, tmp_path / "saved", tmp_path / "back")


@pytest.mark.faults("links", 1, 1)
def test_a_push_whose_answers_are_lost_commits_once(place: Place, tmp_path: Path) -> None:
    snapshot = checkpoint(tmp_path / "saved", 10, size=SIZE)
    place.proxy.poison("reset_peer", "downstream", share=0.5, timeout=0)
    for _ in range(4):
        try:
            ship(push(1, 10), snapshot, place.far)
        except StoreError:
            assert place.commits() in ([], [CommitId(1, 1)])
        else:
            assert place.commits() == [CommitId(1, 1)]
    place.proxy.heal()
    ship(push(1, 10), snapshot, place.far)
    assert place.commits() == [CommitId(1, 1)]
    assert is_whole(place, tmp_path / "saved", tmp_path / "back")


@pytest.mark.faults("links", 2, 2)
@pytest.mark.parametrize("after", [200, SIZE // 2])
def test_a_restore_whose_answers_are_cut_short_leaves_no_folder_that_looks_whole(
    place: Place, tmp_path: Path, after: int
) -> None:
    ship(push(1, 10), checkpoint(tmp_path / "saved", 10, size=SIZE), place.direct)
    chosen = select(place.direct, "gpt", "1.1")
    place.proxy.poison("limit_data", "downstream", bytes=after)
    try:
        restore(place.far, chosen, tmp_path / "back")
    except StoreError:
        assert not (tmp_path / "back").exists()
    else:
        assert after > 1_000
        assert contents(tmp_path / "back") == contents(tmp_path / "saved")
    place.proxy.heal()
    restore(place.far, chosen, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "saved")


@pytest.mark.faults("links", 1, 1)
def test_a_connection_that_is_half_open_is_given_up_and_what_arrived_is_not_sent_again(
    server: S3Server, toxiproxy: Toxiproxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy takes bytes and passes nothing on, in either direction, as a peer that lost its power does."""
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 20_000)
    cut_every(16_000, monkeypatch)
    bucket, proxy, meter = name(), toxiproxy.proxy(server.endpoint), Meter(time.time)
    server.make_bucket(bucket)
    direct = repository(server.store(bucket, patience=CALM))
    hasty = Patience(answer_s=0.5, slowest_bytes_per_s=1e9)
    store = MeteredStore(server.store(bucket, endpoint=proxy.endpoint, patience=hasty), meter, time.monotonic)
    far = Repository("west", RetryingStore(store, attempts=1))
    snapshot = checkpoint(tmp_path / "saved", 10, size=SIZE)
    watching = threading.Thread(target=_swallow_after, args=(direct, proxy, 3), daemon=True)
    watching.start()
    with pytest.raises(StoreError):
        ship(push(1, 10), snapshot, far, KeptProgress(tmp_path / "packs"))
    watching.join(30)
    before, noted = meter.sent_bytes, sum(each.pack.size_bytes for each in KeptProgress(tmp_path / "packs").packs)
    assert noted >= 20_000
    proxy.heal()
    accepted = ship(push(1, 10), snapshot, far, KeptProgress(tmp_path / "packs"))
    assert accepted is not None
    assert meter.sent_bytes - before < SIZE - noted + 25_000
    restore(direct, select(direct, "gpt", "1.1"), tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "saved")


def _swallow_after(direct: Repository, proxy: ToxicProxy, packs: int) -> None:
    while len(list(direct.store.list("packs"))) < packs:
        time.sleep(0.005)
    proxy.poison("timeout", "upstream", timeout=0)
    proxy.poison("timeout", "downstream", timeout=0)
