"""Google Cloud Storage: the contract on fake-gcs-server, and what is Google's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import StoreError, StoreUnavailable
from replicator.stores.url import open_store
from tests.replicator.stores.contract import AwayContract, StoreContract, fresh_names
from tests.replicator.stores.gcs_server import GcsServer, fake_gcs
from tests.replicator.stores.lossy_contract import LossyContract
from tests.replicator.stores.lossy_proxy import LossyProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.store import ObjectStore

pytestmark = pytest.mark.server
name = fresh_names()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    with fake_gcs(tmp_path_factory.mktemp("fakegcs")) as server:
        yield server


@pytest.fixture
def bucket(server: GcsServer) -> str:
    bucket = name()
    server.make_bucket(bucket)
    return bucket


class TestGcs(StoreContract):
    @pytest.fixture
    def bare(self, server: GcsServer, bucket: str) -> ObjectStore:
        return server.store(bucket)

    @pytest.fixture
    def reopen(self, server: GcsServer, bucket: str) -> Callable[[], ObjectStore]:
        return lambda: server.store(bucket)


class TestGcsWithoutBucket(AwayContract):
    @pytest.fixture
    def away(self, server: GcsServer) -> ObjectStore:
        return server.store(name())

    def test_a_missing_bucket_is_named(self, away: ObjectStore) -> None:
        for verb in (lambda: away.get("a"), lambda: away.size("a"), lambda: away.create("a", b"x")):
            with pytest.raises(StoreUnavailable, match="no such bucket"):
                verb()


class TestGcsPrefix:
    def test_a_part_of_a_bucket_is_a_store_of_its_own(self, server: GcsServer, bucket: str) -> None:
        server.store(bucket).create("elsewhere/a/b", b"not ours")
        store = server.store(bucket, "team/a")
        store.create("a/b", b"ours")
        assert list(store.list("a")) == ["a/b"]
        assert list(store.list("elsewhere")) == []
        assert server.store(bucket).get("team/a/a/b") == b"ours"
        store.delete("a/b")
        assert server.store(bucket).get("elsewhere/a/b") == b"not ours"


class TestGcsLosesAnswers(LossyContract):
    @pytest.fixture
    def proxy(self, server: GcsServer) -> Iterator[LossyProxy]:
        with LossyProxy(server.endpoint).running() as proxy:
            yield proxy

    @pytest.fixture
    def direct(self, server: GcsServer, bucket: str) -> ObjectStore:
        return server.store(bucket)

    @pytest.fixture
    def lossy(self, server: GcsServer, bucket: str, proxy: LossyProxy) -> ObjectStore:
        return server.store(bucket, endpoint=proxy.endpoint)

    def test_a_body_damaged_on_the_way_is_not_called_written(self, lossy: ObjectStore, proxy: LossyProxy) -> None:
        proxy.then = "damage"
        with pytest.raises(StoreError, match="other bytes than were sent"):
            lossy.create("packs/aa/x", b"x" * 100_000)


def test_an_emulator_gets_no_credentials(server: GcsServer, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
    open_store(f"gs://{bucket}/p?endpoint={server.endpoint}").create("a", b"x")
    assert server.store(bucket, "p").get("a") == b"x"
