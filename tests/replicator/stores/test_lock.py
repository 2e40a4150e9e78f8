"""Object lock on moto, and on MinIO where it can be had: what a checkpoint needs cannot be deleted before its time."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import boto3
import pytest
import structlog
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from replicator.cli.main import make_app
from replicator.errors import KeyMissing, LockRefused, StoreUnavailable
from replicator.log.replay import replay
from replicator.model import CommitId
from replicator.repository.packs import pack_key
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.retention.locks import covered, plan_locks
from replicator.stores.address import BucketAddress
from replicator.stores.lock import S3Locks, open_locks
from replicator.stores.s3_control import S3Control
from replicator.stores.url import open_store
from tests.replicator.repository.rig import push, repository
from tests.replicator.retention.logs import commit, opening
from tests.replicator.stores.processes import free_port
from tests.replicator.stores.s3_servers import ACCESS, REGION, SECRET, credentials, minio_server, moto

pytestmark = pytest.mark.slow


def test_a_lock_covers_every_pack_that_a_checkpoint_names_whichever_brought_it():
    view = replay([opening(), commit(1, packs=("aa", "bb")), commit(2, packs=("bb", "cc"), base=1)])
    keys = list(covered(view, "gpt", [CommitId(1, 2)], wrapped=["keys/k/operator"]))
    assert keys == [
        "packs/bb/bb", "packs/cc/cc", "manifests/m1/m1.2", *(f"log/gpt/{n:020d}" for n in (1, 2, 3)),
        "keys/k/operator", "format.json",
    ]  # fmt: skip


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(0, 3000)), st.floats(1, 1000))
def test_a_lock_is_renewed_before_it_ends_and_never_made_shorter(held, for_s):
    plan = plan_locks(iter("abcd"), held, now=1000.0, for_s=for_s)
    for key in "abcd":
        [made] = [each.until for each in plan if each.key == key] or [held.get(key, 0.0)]
        assert made >= 1000.0 + for_s / 2
        assert made >= held.get(key, 0.0)


@pytest.fixture(scope="module", params=["moto", pytest.param("minio", marks=[pytest.mark.server, pytest.mark.slow])])
def server(request, tmp_path_factory):
    running = moto() if request.param == "moto" else minio_server(tmp_path_factory.mktemp("minio"))
    with credentials(), running as made:
        yield made


@pytest.fixture(scope="module")
def client(server):
    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
    )


@pytest.fixture
def url(server, client):
    bucket = f"locked-{os.urandom(6).hex()}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    yield f"s3://{bucket}/some/prefix?region={REGION}&endpoint={server.endpoint}"
    structlog.reset_defaults()


def run(*words: str):
    result = CliRunner().invoke(make_app(), ["lock", *words, "--json"])
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


def test_what_is_locked_survives_a_thief_and_is_locked_anew_while_it_stands(url, client, tmp_path):
    west = repository(open_store(url))
    (tmp_path / "same").write_bytes(os.urandom(30_000))
    for height in (1, 2):
        (tmp_path / "own").write_bytes(os.urandom(2000))
        ship(
            push(height, height, attempt=f"{height}", salt=bytes([height]) * 16),
            take_snapshot(tmp_path, ["same", "own"]),
            west,
        )
    assert run("--repo", url, "--days", "1", "--dry-run", "--checkpoint", "1.2")["locked"] == 0
    done = run("--repo", url, "--days", "1", "--checkpoint", "1.2")
    assert (done["checkpoints"], done["locked"] == done["objects"]) == (["1.2"], True)
    assert run("--repo", url, "--days", "1", "--checkpoint", "1.2")["locked"] == 0
    assert run("--repo", url, "--days", "3", "--checkpoint", "1.2")["locked"] == done["objects"]

    bucket = url.split("/")[2]
    view = west.log("gpt").view()
    needed = {pack.digest for pack in view.accepted[CommitId(1, 2)].where.packs}
    assert needed & {pack.digest for pack in view.accepted[CommitId(1, 1)].where.packs}
    stolen = client.list_object_versions(Bucket=bucket)["Versions"]
    refused = 0
    for each in stolen:
        try:
            client.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
        except ClientError as error:
            assert "AccessDenied" in str(error) or "WORM" in str(error)  # noqa: PT017 - which are refused is told below
            refused += 1
    assert refused == done["objects"]
    fresh = Repository("west", open_store(url))
    back = restore(fresh, fresh.log("gpt").view().accepted[CommitId(1, 2)], tmp_path / "back")
    assert (back.path / "own").read_bytes() == (tmp_path / "own").read_bytes()
    with pytest.raises(KeyMissing):
        open_locks(url).until(pack_key("00" * 32))


def test_a_lock_is_not_made_shorter_though_somebody_asks_for_less(url):
    west = repository(open_store(url))
    locks = open_locks(url)
    assert locks.until("format.json") is None
    now = time.time()
    locks.lock("format.json", now + 5000, "compliance")
    locks.lock("format.json", now + 50, "compliance")
    held = locks.until("format.json")
    assert held is not None
    assert abs(held - now - 5000) < 2
    assert west.format()


def test_a_bucket_without_object_lock_and_other_stores_are_refused_with_the_remedy(server, client, tmp_path):
    plain = f"plain-{os.urandom(6).hex()}"
    client.create_bucket(Bucket=plain)
    with pytest.raises(LockRefused, match="has no object lock"):
        open_locks(f"s3://{plain}?region={REGION}&endpoint={server.endpoint}").require()
    for other in (tmp_path.as_uri(), "gs://bucket/x"):
        with pytest.raises(LockRefused, match="only buckets of S3"):
            open_locks(other)


def test_a_server_that_is_away_is_told_as_that(server):
    address = BucketAddress("s3", "b", region=REGION, endpoint=server.endpoint)
    away = S3Locks(S3Control(replace(address, endpoint=f"http://127.0.0.1:{free_port()}")))
    with pytest.raises(StoreUnavailable):
        away.require()
