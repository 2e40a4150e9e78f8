"""S3 on three servers: moto everywhere, versitygw and MinIO (real signatures and checksums) where they can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError, StoreUnavailable
from replicator.log.claim import claim
from tests.replicator.stores.contract import AwayContract, StoreContract, fresh_names
from tests.replicator.stores.processes import free_port
from tests.replicator.stores.s3_servers import S3Server, credentials, minio_server, moto, versity

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from replicator.stores.store import ObjectStore

name = fresh_names()


@pytest.fixture(scope="module")
def moto_server() -> Iterator[S3Server]:
    with credentials(), moto() as server:
        yield server


@pytest.fixture(scope="module")
def versity_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with credentials(), versity(tmp_path_factory.mktemp("versitygw")) as server:
        yield server


@pytest.fixture(scope="module")
def one_minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with credentials(), minio_server(tmp_path_factory.mktemp("minio")) as server:
        yield server


class OnMoto:
    @pytest.fixture
    def server(self, moto_server: S3Server) -> S3Server:
        return moto_server


@pytest.mark.server
class OnVersity:
    @pytest.fixture
    def server(self, versity_server: S3Server) -> S3Server:
        return versity_server


@pytest.mark.server
class OnMinio:
    @pytest.fixture
    def server(self, one_minio: S3Server) -> S3Server:
        return one_minio


class Bucket:
    @pytest.fixture
    def bucket(self, server: S3Server) -> str:
        bucket = name()
        server.make_bucket(bucket)
        return bucket

    @pytest.fixture
    def bare(self, server: S3Server, bucket: str) -> ObjectStore:
        return server.store(bucket)

    @pytest.fixture
    def reopen(self, server: S3Server, bucket: str) -> Callable[[], ObjectStore]:
        return lambda: server.store(bucket)


class PartOfABucket(Bucket):
    @pytest.fixture
    def bare(self, server: S3Server, bucket: str) -> ObjectStore:
        server.store(bucket).create("elsewhere/a/b", b"not ours")
        server.store(bucket).create("team/a/b-not-ours", b"not ours")
        return server.store(bucket, "team/a/checkpoints")

    @pytest.fixture
    def reopen(self, server: S3Server, bucket: str) -> Callable[[], ObjectStore]:
        return lambda: server.store(bucket, "team/a/checkpoints")


class NoBucket:
    @pytest.fixture
    def away(self, server: S3Server) -> ObjectStore:
        return server.store(name())

    def test_a_missing_bucket_is_named(self, away: ObjectStore) -> None:
        for verb in (lambda: away.get("a"), lambda: away.size("a"), lambda: away.create("a", b"x")):
            with pytest.raises(StoreUnavailable, match="no such bucket"):
                verb()


class TestMoto(OnMoto, Bucket, StoreContract):
    pass


class TestMotoPrefix(OnMoto, PartOfABucket, StoreContract):
    pass


class TestMotoWithoutBucket(OnMoto, NoBucket, AwayContract):
    pass


class RealSignatures:
    @pytest.mark.parametrize("key", ["gone/a"])
    def test_a_wrong_secret_is_refused_and_nothing_is_called_missing(
        self, bare: ObjectStore, key: str, monkeypatch: pytest.MonkeyPatch, reopen: Callable[[], ObjectStore]
    ) -> None:
        bare.create("there", b"x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        stranger = reopen()
        for verb in (lambda: stranger.get(key), lambda: stranger.size(key), lambda: stranger.create("there", b"y")):
            with pytest.raises(StoreError) as refused:
                verb()
            assert not isinstance(refused.value, KeyMissing | KeyExists | OutcomeUnknown)


class TestVersity(OnVersity, Bucket, RealSignatures, StoreContract):
    pass


class TestVersityPrefix(OnVersity, PartOfABucket, StoreContract):
    pass


class TestVersityWithoutBucket(OnVersity, NoBucket, AwayContract):
    pass


class TestMinio(OnMinio, Bucket, RealSignatures, StoreContract):
    pass


class TestMinioWithoutBucket(OnMinio, NoBucket, AwayContract):
    pass


class TestNobodyListens(AwayContract):
    @pytest.fixture
    def away(self) -> Iterator[ObjectStore]:
        with credentials():
            yield S3Server(f"http://127.0.0.1:{free_port()}").store("bucket", timeout_s=1.0)

    def test_a_create_that_nobody_answers_is_of_unknown_outcome(self, away: ObjectStore) -> None:
        with pytest.raises(OutcomeUnknown):
            away.create("a", b"x")
        with pytest.raises(OutcomeUnknown, match="nobody could say"):
            claim(away, "a", b"x", tries=2, sleep=lambda _: None)
        with pytest.raises(StoreUnavailable):
            away.get("a")
