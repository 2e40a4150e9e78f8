"""Spellings of a bucket's URL, and that nothing secret is taken from one or told of one."""

from __future__ import annotations

import pytest

from replicator.errors import StoreError
from replicator.stores.address import BucketAddress, bucket_address
from replicator.stores.azure import azure_store
from replicator.stores.clients import Patience
from replicator.stores.url import open_store

SECRET = "HUNTER2"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://b/a/c/?region=r&endpoint=http://h:1", BucketAddress("s3", "b", "a/c", region="r", endpoint="http://h:1")),
        ("gs://b.example.com", BucketAddress("gs", "b.example.com")),
        ("gs://b/team?endpoint=https://private.example", BucketAddress("gs", "b", "team", endpoint="https://private.example")),
        ("az://c/p?account=acme", BucketAddress("az", "c", "p", account="acme")),
        ("azblob://c?storage_account=acme", BucketAddress("az", "c", account="acme")),
        ("az://c?storage_account=acme&endpoint=http://127.0.0.1:10000/acme",
         BucketAddress("az", "c", account="acme", endpoint="http://127.0.0.1:10000/acme")),
    ],
)  # fmt: skip
def test_the_spellings_of_the_vendors_and_of_pulumi_name_the_same_place(url: str, address: BucketAddress) -> None:
    assert bucket_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        f"s3://AKIAX:{SECRET}@bucket/p",
        f"s3://bucket?secret_access_key={SECRET}",
        f"gs://bucket?service_account_key={SECRET}",
        f"gs://bucket?access_token={SECRET}&endpoint=http://me:{SECRET}@h",
        f"az://container?account=a&account_key={SECRET}",
        f"az://container?sas_token={SECRET}",
        f"az://container?sv=2024&sig={SECRET}",
        f"azblob://{SECRET}@container?storage_account=a",
        f"az://container?password={SECRET}#{SECRET}",
        f"s3://bucket?key={SECRET}&{SECRET}",
        f"gs://bucket?key=1&{SECRET}=",
    ],
)
def test_credentials_in_a_url_are_refused_with_the_chain_to_use_and_are_not_told(url: str) -> None:
    with pytest.raises(StoreError) as refused:
        open_store(url)
    told = f"{refused.value} {refused.value.hint}"
    assert SECRET not in told
    assert "Give credentials as" in told


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("gs://?endpoint=http://h", "not a bucket"),
        ("gs:///prefix", "not a bucket"),
        ("gs://bucket:80/p", "not a bucket"),
        ("gs://bucket?region=eu", "not an option among endpoint .given: region"),
        ("az://c?region=eu&zone=1", "given: region, zone"),
        ("az://c?account=a&storage_account=b", "stands twice"),
        ("az://c?account=", "without a value"),
        ("gs://bucket?endpoint=h:4443", "endpoint is not http"),
        ("gs://bucket?endpoint=http://[", "endpoint is not a URL"),
        ("gs://bucket?endpoint=http://h:99999", "endpoint is not a URL"),
        ("gs://bucket#x", "no #"),
        ("az://c?account=a&endpoint=http://azure.example", "must be https"),
    ],
)
def test_a_slip_is_refused_with_what_is_wrong_and_what_to_write(url: str, why: str) -> None:
    with pytest.raises(StoreError, match=why) as refused:
        open_store(url)
    assert "Use " in str(refused.value.hint)


def test_every_fault_of_a_url_is_told_at_once() -> None:
    with pytest.raises(StoreError, match=r"no user and password.*given: zone.*no #"):
        open_store("gs://me@bucket?zone=1#x")


def test_the_storage_account_comes_from_the_url_or_else_from_the_environment() -> None:
    address = bucket_address("az://container")
    with pytest.raises(StoreError, match="no storage account") as refused:
        azure_store(address, Patience(), {})
    assert "AZURE_STORAGE_ACCOUNT" in str(refused.value.hint)
    assert azure_store(address, Patience(), {"AZURE_STORAGE_ACCOUNT": "acme"}).url == "az://container"


def test_an_object_may_take_the_time_of_its_size_at_the_slowest_rate() -> None:
    patience = Patience(answer_s=30.0, slowest_bytes_per_s=128 * 1024)
    assert patience.limit_s(500) == 30.0
    assert patience.limit_s(16 * 1024**2) == 30.0 + 16 * 1024**2 / (128 * 1024)
    for size in (1024**2 + 1, 5 * 1024**2, 16 * 1024**2 + 1, 64 * 1024**2, 300 * 1024**2):
        assert patience.limit_s(size) >= size / (128 * 1024)
        assert patience.limit_s(size) <= 30.0 + 4 * size / (128 * 1024)
