"""An immutable copy: a thief with all of the training side's credentials hides it at most; a restore takes what was locked."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from datetime import UTC, datetime

import boto3
import pytest
import structlog
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from replicator.cli.main import make_app
from replicator.errors import KeyExists, KeyMissing, LockRefused, ObjectArchived, StoreError
from replicator.log.entries import Drop
from replicator.model import CommitId, Id
from replicator.repository.packs import pack_key
from replicator.repository.repository import Repository
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.service.config import Destination, Immutable
from replicator.service.immutable import Extending, locks_of, open_destination
from replicator.stores.immutable import PutStore
from replicator.stores.lock import open_locks
from replicator.stores.lock_check import look, require
from replicator.stores.s3_control import s3_control
from replicator.stores.url import open_store
from tests.replicator.repository.rig import checkpoint, contents, push, repository
from tests.replicator.stores.s3_servers import ACCESS, REGION, SECRET, credentials, minio_server, moto

pytestmark = pytest.mark.slow

TRAINING = [
    "s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions", "s3:DeleteObject",
    "s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:GetObjectRetention", "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning",
]  # fmt: skip


ON_MINIO = pytest.mark.parametrize("server", ["minio"], indirect=True)
"""moto judges no policies, and answers 500 where an object has no lock."""


@pytest.fixture(scope="module", params=["moto", pytest.param("minio", marks=[pytest.mark.server, pytest.mark.slow])])
def server(request, tmp_path_factory):
    running = moto() if request.param == "moto" else minio_server(tmp_path_factory.mktemp("minio"))
    with credentials(), running as made:
        yield made


@pytest.fixture(scope="module")
def owner(server):
    return client(server, ACCESS, SECRET)


def client(server, access: str, secret: str, token: str | None = None):
    return boto3.client(
        "s3", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=access, aws_secret_access_key=secret,
        aws_session_token=token,
    )  # fmt: skip


@contextlib.contextmanager
def as_user(server, actions: list[str]):
    """The environment of somebody with other credentials, whom the server lets do these things only."""
    sts = boto3.client(
        "sts", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
    )
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": actions, "Resource": ["arn:aws:s3:::*"]}],
    }
    made = sts.assume_role(
        RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="training", Policy=json.dumps(policy)
    )["Credentials"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])
        patch.setenv("AWS_SESSION_TOKEN", made["SessionToken"])
        yield client(server, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


@pytest.fixture
def url(server, owner):
    bucket = f"immutable-{os.urandom(6).hex()}"
    owner.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    yield f"s3://{bucket}/some/prefix?region={REGION}&endpoint={server.endpoint}"
    structlog.reset_defaults()


def immutable(url: str, **more) -> PutStore:
    return PutStore(open_store(url), s3_control(url), clock=time.time, **{"days": 1.0, **more})


def states(url: str, mode) -> dict[str, str]:
    return {each.about: each.state for each in look(s3_control(url), mode, clock=time.time)}


def refused(url: str, mode) -> dict[str, str]:
    """As `states`, where an immutable copy is refused for them: nothing is put there."""
    findings = look(s3_control(url), mode, clock=time.time)
    with pytest.raises(LockRefused, match="no immutable copy") as told:
        require(findings)
    assert all(each.about in str(told.value) for each in findings if each.state != "held")
    store = open_destination(Destination(name="vault", url=url, immutable=Immutable(days=1, mode=mode)))
    with pytest.raises(LockRefused, match="no immutable copy"):
        store.create("packs/aa/aa", b"pack")
    assert list(store.list("packs")) == []
    return {each.about: each.state for each in findings}


def test_an_object_is_locked_by_the_request_that_creates_it_and_created_once(url):
    store = immutable(url)
    store.create("packs/aa/aa1", b"pack")
    assert open_locks(url).until("packs/aa/aa1") > time.time() + 86000
    with pytest.raises(KeyExists):
        store.create("packs/aa/aa1", b"other")
    assert (store.get("packs/aa/aa1"), store.get_range("packs/aa/aa1", 1, 2), store.size("packs/aa/aa1")) == (
        b"pack", b"ac", 4,
    )  # fmt: skip
    store.create("parts/gpt/1/a/1/0", b"part")
    assert open_locks(url).until("parts/gpt/1/a/1/0") is None


def test_what_a_thief_says_in_the_log_is_passed_over_by_reading_it_as_it_was_before(url, tmp_path):
    west = repository(immutable(url))
    ship(push(1, 1), checkpoint(tmp_path / "step-1", 1, size=20_000), west)
    time.sleep(1.1)
    theft = datetime.fromtimestamp(int(time.time()), tz=UTC).isoformat().replace("+00:00", "Z")
    time.sleep(0.2)
    gone = Drop(term=1, commits=(Id(term=1, height=1),), bytes_after=0.0, reason="theft")
    west.log("gpt").append(lambda _: gone)
    assert not Repository("west", open_store(f"{url}&versions=locked")).log("gpt").view().accepted
    before = Repository("west", open_store(f"{url}&versions=locked&before={theft}"))
    restore(before, before.log("gpt").view().accepted[CommitId(1, 1)], tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tmp_path / "step-1")
    for wrong in ("versions=all", "before=2026-11-20", "versions=locked&before=yesterday"):
        with pytest.raises(StoreError):
            open_store(f"{url}&{wrong}")


def test_what_a_thief_deletes_and_overwrites_is_read_as_it_was_locked(url, owner, tmp_path):
    west = repository(immutable(url))
    for height in (1, 2):
        wanted = push(height, height, attempt=f"a{height}", salt=bytes([height]) * 16)
        ship(wanted, checkpoint(tmp_path / f"step-{height}", height, size=20_000), west)
    bucket = url.split("/")[2]
    for key in [each["Key"] for each in owner.list_objects_v2(Bucket=bucket)["Contents"]]:
        if "/packs/" in key or "/log/" in key:
            owner.put_object(Bucket=bucket, Key=key, Body=b"forged")
        owner.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(StoreError):
        open_store(url).get("format.json")
    there = Repository("west", open_store(f"{url}&versions=locked"))
    view = there.log("gpt").view()
    assert sorted(view.accepted) == [CommitId(1, 1), CommitId(1, 2)]
    for height in (1, 2):
        restore(there, view.accepted[CommitId(1, height)], tmp_path / f"back-{height}")
        assert contents(tmp_path / f"back-{height}") == contents(tmp_path / f"step-{height}")
    assert there.workloads() == ["gpt"]
    for what in (lambda: there.store.create("x", b""), lambda: there.store.delete("format.json")):
        with pytest.raises(StoreError, match="as it was locked"):
            what()


@ON_MINIO
@pytest.mark.server
@pytest.mark.slow
def test_what_was_never_locked_is_not_read(url, owner):
    store = immutable(url)
    store.create("format.json", b"right")
    bucket = url.split("/")[2]
    owner.put_object(Bucket=bucket, Key="some/prefix/manifests/aa/aa", Body=b"forged")
    read = open_store(f"{url}&versions=locked")
    assert read.get("format.json") == b"right"
    with pytest.raises(KeyMissing, match="no locked version"):
        read.get("manifests/aa/aa")


def test_a_bucket_without_object_lock_is_refused_with_the_remedy(server, owner, url):
    plain = f"plain-{os.urandom(6).hex()}"
    owner.create_bucket(Bucket=plain)
    there = f"s3://{plain}?region={REGION}&endpoint={server.endpoint}"
    findings = look(s3_control(there), "compliance", clock=time.time)
    with pytest.raises(LockRefused, match=r"object lock \(broken\): the bucket has none") as told:
        require(findings)
    assert "Make a bucket with object lock" in str(told.value.hint)
    store = immutable(there, require=lambda: require(findings))
    with pytest.raises(LockRefused, match="no immutable copy"):
        store.create("format.json", b"x")
    with pytest.raises(KeyMissing):
        store.get("format.json")
    result = CliRunner().invoke(make_app(), ["lock", "--repo", there, "--check"])
    assert isinstance(result.exception, LockRefused)
    assert "broken   object lock" in result.stdout


@ON_MINIO
@pytest.mark.server
@pytest.mark.slow
def test_a_thief_with_all_of_the_training_sides_credentials_neither_shortens_nor_ends_what_is_locked(
    server, owner, url, tmp_path
):
    bucket = url.split("/")[2]
    with as_user(server, TRAINING) as thief:
        assert set(states(url, "compliance").values()) == {"held"}
        west = repository(immutable(url, require=lambda: require(look(s3_control(url), "compliance", clock=time.time))))
        ship(push(1, 1), checkpoint(tmp_path / "step-1", 1, size=20_000), west)
        done = 0
        for each in owner.list_object_versions(Bucket=bucket)["Versions"]:
            if "/parts/" in each["Key"] or "/probes/" in each["Key"]:
                continue
            where = {"Bucket": bucket, "Key": each["Key"], "VersionId": each["VersionId"]}
            sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": time.time() + 5}
            for attack in (
                lambda where=where: thief.delete_object(**where),
                lambda where=where: thief.delete_object(**where, BypassGovernanceRetention=True),
                lambda where=where, sooner=sooner: thief.put_object_retention(**where, Retention=sooner),
                lambda where=where: thief.put_object_retention(
                    **where, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": time.time() + 900_000}
                ),
            ):
                with pytest.raises(ClientError):
                    attack()
                done += 1
            thief.put_object(Bucket=bucket, Key=each["Key"], Body=b"forged")
            thief.delete_object(Bucket=bucket, Key=each["Key"])
        assert done >= 4 * 4
    shutil.rmtree(tmp_path / "step-1")
    back = Repository("west", open_store(f"{url}&versions=locked"))
    done = restore(back, back.log("gpt").view().accepted[CommitId(1, 1)], tmp_path / "back")
    assert done.files == 3


@ON_MINIO
@pytest.mark.server
@pytest.mark.slow
def test_credentials_that_can_lift_a_lock_or_not_see_it_are_said_to(server, url):
    with as_user(server, [*TRAINING, "s3:BypassGovernanceRetention"]):
        found = refused(url, "governance")
        assert found["shortening with bypass"] == "broken"
        assert found["deleting with bypass"] == "broken"
        assert found["deleting"] == "held"
    with as_user(server, TRAINING):
        assert refused(url, "governance") == {
            "object lock": "held", "versions": "held", "seeing locks": "held", "shortening": "held", "deleting": "held",
            "shortening with bypass": "broken",  # MinIO asks for the right to put retention, and not for that to bypass it
            "deleting with bypass": "held",
        }  # fmt: skip
    blind = [each for each in TRAINING if each not in ("s3:GetObjectRetention", "s3:GetBucketObjectLockConfiguration")]
    with as_user(server, blind):
        assert refused(url, "compliance")["seeing locks"] == "unknown"
        findings = look(s3_control(url), "compliance", clock=time.time)
        with pytest.raises(LockRefused, match="unknown") as told:
            require(findings)
        assert "Allow s3:GetObjectRetention" in str(told.value.hint)
    immutable(url).create("format.json", b"x")
    with as_user(server, blind), pytest.raises(StoreError, match="nobody here may see whether format"):
        open_store(f"{url}&versions=locked").get("format.json")


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_a_store_that_takes_shorter_locks_is_found_out(url):
    found = refused(url, "compliance")
    assert (found["object lock"], found["shortening"]) == ("held", "broken")


@ON_MINIO
@pytest.mark.server
@pytest.mark.slow
def test_the_service_ships_under_lock_and_makes_locks_longer_while_what_they_cover_stands(url, tmp_path):
    told = Destination(name="vault", url=url, immutable=Immutable(days=1, mode="compliance"))
    now = [time.time()]
    west = Repository("vault", open_destination(told), clock=lambda: now[0])
    made = repository(west.store)
    ship(push(1, 1), checkpoint(tmp_path / "step-1", 1, size=20_000), made)
    locks = locks_of(told)
    extending = Extending(west, "gpt", told.immutable, locks)
    extending.extend()
    assert extending.extended == 0
    pack = made.log("gpt").view().accepted[CommitId(1, 1)].where.packs[0].digest
    first = locks.until(pack_key(pack))
    now[0] += 86400 * 0.6
    extending.extend()
    assert extending.extended == 5  # a pack, a manifest, two slots, format.json, and none twice
    assert locks.until(pack_key(pack)) > first + 86400 * 0.5
    extending.extend()
    assert extending.extended == 5


def test_a_destination_that_cannot_be_immutable_ships_nothing_and_says_what_is_wrong(server, owner):
    plain = f"plain-{os.urandom(6).hex()}"
    owner.create_bucket(Bucket=plain)
    there = f"s3://{plain}?region={REGION}&endpoint={server.endpoint}"
    store = open_destination(Destination(name="vault", url=there, immutable=Immutable(days=1)))
    with pytest.raises(LockRefused, match="no immutable copy"):
        store.create("format.json", b"x")
    assert list(store.list("packs")) == []


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_packs_go_into_the_storage_class_that_is_declared_and_nothing_else_does(url, owner):
    store = open_destination(Destination(name="cold", url=url, storage_class="STANDARD_IA"))
    store.create("packs/aa/aa", b"pack")
    store.create("log/gpt/1", b"entry")
    found = owner.list_objects_v2(Bucket=url.split("/")[2])["Contents"]
    assert {each["Key"].rpartition("/")[2]: each["StorageClass"] for each in found} == {
        "1": "STANDARD",
        "aa": "STANDARD_IA",
    }


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_an_archived_object_is_told_as_that_with_the_command_that_brings_it_back(url, owner, tmp_path):
    west = repository(open_store(url))
    there = ship(push(1, 1), checkpoint(tmp_path / "step-1", 1, size=20_000), west)
    bucket, pack = url.split("/")[2], pack_key(there.where.packs[0].digest)
    name = f"some/prefix/{pack}"
    owner.put_object(Bucket=bucket, Key=name, Body=west.store.get(pack), StorageClass="GLACIER")
    with pytest.raises(ObjectArchived, match="is archived") as told:
        open_store(url).get(pack)
    assert "replicator thaw" in told.value.hint
    result = CliRunner().invoke(make_app(), ["thaw", "latest", "--repo", url, "--json"])
    assert result.exception is None, result.exception
    counts = json.loads(result.stdout)["objects"]
    assert sum(counts.values()) == 2
    assert "thawing" in counts or "thawed" in counts
