"""Azure Blob Storage: the contract on Azurite, and what is Azure's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import StoreUnavailable
from tests.replicator.stores.azure_server import AzureServer, azure_credentials, azurite_server
from tests.replicator.stores.contract import AwayContract, StoreContract, fresh_names

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
