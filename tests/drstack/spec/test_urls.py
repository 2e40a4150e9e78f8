from pathlib import Path

import pytest

from drstack.errors import DrstackError
from drstack.spec import resolve_url
from drstack.spec.urls import witness_fault
from replicator.errors import StoreError
from replicator.stores.address import bucket_address

ROOT = Path("/srv/env")


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("file:witness", "file:///srv/env/witness"),
        ("file:a/../b", "file:///srv/env/b"),
        ("file:my folder", "file:///srv/env/my%20folder"),
        ("file:my%20folder", "file:///srv/env/my%20folder"),
        ("file:/abs", "file:///abs"),
        ("file:///abs/x", "file:///abs/x"),
    ],
)
def test_a_relative_folder_is_resolved_against_the_root(url, resolved):
    assert resolve_url(url, ROOT) == resolved
    assert resolve_url(resolved, Path("/elsewhere")) == resolved


@pytest.mark.parametrize(
    "url", ["s3://b/p?region=r", "gs://b", "az://c", "memory://", "azblob://c?storage_account=a", "https://api.x"]
)
def test_other_stores_pass_as_they_are(url):
    assert resolve_url(url, ROOT) == url


@pytest.mark.parametrize(
    "url", ["witness", "ftp://x", "s3:", "s3:///p", "file:", "file://host/x", "file:x?y", "http://["]
)
def test_an_unknown_store_is_refused(url):
    with pytest.raises(DrstackError):
        resolve_url(url, ROOT)


def test_a_relative_root_means_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_url("file:w", Path("env")) == (tmp_path / "env/w").as_uri()


@pytest.mark.parametrize(
    "url",
    ["s3://k:HUNTER2@b", "gs://b?token=HUNTER2", "azblob://c?storage_account=a&sas_token=HUNTER2", "s3://HUNTER2@["],
)
def test_credentials_in_an_address_are_refused_and_not_told(url):
    with pytest.raises(DrstackError) as refused:
        resolve_url(url, ROOT)
    assert "HUNTER2" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize("url", ["s3://b?kmskeyid=alias/x&region=r", "azblob://c?storage_account=a"])
def test_pulumis_own_options_of_a_state_pass(url):
    assert resolve_url(url, ROOT) == url


@pytest.mark.parametrize("url", ["gs://b/p", "az://c/p?account=a", "azblob://c?storage_account=a", "s3://b?region=r"])
def test_a_witness_lies_in_any_bucket_that_we_open(url):
    assert witness_fault(url) is None
    assert bucket_address(url).bucket in {"b", "c"}


@pytest.mark.parametrize("url", ["gs://b?region=r", "az://c?account=", "s3://b?zone=1", "gs://b:1", "gs://b#x"])
def test_a_witness_that_could_not_be_opened_is_refused(url):
    assert witness_fault(url) is not None
    with pytest.raises(StoreError):
        bucket_address(url)
