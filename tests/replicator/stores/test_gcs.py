"""Google Cloud Storage: the contract on fake-gcs-server, and what is Google's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import StoreUnavailable
from tests.replicator.stores.contract import AwayContract, StoreContract, fresh_names
from tests.replicator.stores.gcs_server import GcsServer, fake_gcs

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
