"""Azure Blob Storage: the contract on Azurite, and what is Azure's own."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError, StoreUnavailable
from replicator.log.claim import claim
from replicator.stores.url import open_store
from tests.replicator.stores.azure_server import ACCOUNT, AzureServer, azure_credentials, azurite_server
from tests.replicator.stores.contract import AwayContract, StoreContract, fresh_names
from tests.replicator.stores.lossy_contract import LossyContract
from tests.replicator.stores.lossy_proxy import LossyProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.store import ObjectStore

pytestmark = pytest.mark.server
name = fresh_names()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    with azure_credentials(), azurite_server(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def bucket(server: AzureServer) -> str:
    bucket = name()
    server.make_bucket(bucket)
    return bucket


class TestAzure(StoreContract):
    @pytest.fixture
    def bare(self, server: AzureServer, bucket: str) -> ObjectStore:
        return server.store(bucket)

    @pytest.fixture
    def reopen(self, server: AzureServer, bucket: str) -> Callable[[], ObjectStore]:
        return lambda: server.store(bucket)


class TestAzureWithoutBucket(AwayContract):
    @pytest.fixture
    def away(self, server: AzureServer) -> ObjectStore:
        return server.store(name())

    def test_a_missing_bucket_is_named(self, away: ObjectStore) -> None:
        for verb in (lambda: away.get("a"), lambda: away.size("a"), lambda: away.create("a", b"x")):
            with pytest.raises(StoreUnavailable, match="no such bucket"):
                verb()


class TestAzurePrefix:
    def test_a_part_of_a_bucket_is_a_store_of_its_own(self, server: AzureServer, bucket: str) -> None:
        server.store(bucket).create("elsewhere/a/b", b"not ours")
        store = server.store(bucket, "team/a")
        store.create("a/b", b"ours")
        assert list(store.list("a")) == ["a/b"]
        assert list(store.list("elsewhere")) == []
        assert server.store(bucket).get("team/a/a/b") == b"ours"
        store.delete("a/b")
        assert server.store(bucket).get("elsewhere/a/b") == b"not ours"


class TestAzureLosesAnswers(LossyContract):
    @pytest.fixture
    def proxy(self, server: AzureServer) -> Iterator[LossyProxy]:
        with LossyProxy(server.endpoint).running() as proxy:
            yield proxy

    @pytest.fixture
    def direct(self, server: AzureServer, bucket: str) -> ObjectStore:
        return server.store(bucket)

    @pytest.fixture
    def lossy(self, server: AzureServer, bucket: str, proxy: LossyProxy) -> ObjectStore:
        return server.store(bucket, endpoint=f"{proxy.endpoint}/{ACCOUNT}")


def test_a_wrong_key_is_refused_and_nothing_is_called_missing(
    server: AzureServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.store(bucket).create("there", b"x")
    monkeypatch.setenv("AZURE_STORAGE_KEY", base64.b64encode(b"wrong" * 10).decode())
    stranger = server.store(bucket)
    for verb in (lambda: stranger.get("gone"), lambda: stranger.size("a"), lambda: stranger.create("there", b"y")):
        with pytest.raises(StoreError) as refused:
            verb()
        assert not isinstance(refused.value, KeyMissing | KeyExists | OutcomeUnknown)


def test_the_url_that_users_write_opens_the_container(server: AzureServer, bucket: str) -> None:
    for url in (f"az://{bucket}/p?account={ACCOUNT}", f"azblob://{bucket}/p?storage_account={ACCOUNT}"):
        store = open_store(f"{url}&endpoint={server.endpoint}")
        claim(store, "a", b"x")
        assert store.get("a") == b"x"
