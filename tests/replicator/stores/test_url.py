from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import StoreError, StoreUnavailable
from replicator.stores.url import make_folder, open_store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_url_and_a_plain_path_name_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    url = folder.as_uri()
    assert "%20" in url
    make_folder(url)
    open_store(url).create("a", b"x")
    assert open_store(str(folder)).get("a") == b"x"
    assert open_store(str(folder)).url == open_store(url).url == url


def test_opening_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        open_store(str(tmp_path / "gone")).get("a")
    assert not (tmp_path / "gone").exists()


def test_a_bucket_and_prefix_are_named_in_the_store_s_url() -> None:
    assert open_store("s3://acme-ckpt/team/a/?region=eu-central-1").url == "s3://acme-ckpt/team/a"


def test_a_url_that_is_refused_does_not_print_what_may_be_secret_in_it() -> None:
    for url in (
        "s3://key:HUNTER2@bucket/p?secret_access_key=HUNTER2",
        "ftp://me:HUNTER2@host/f",
        "file://me:HUNTER2@h/f",
    ):
        with pytest.raises(StoreError) as refused:
            open_store(url)
        assert "HUNTER2" not in f"{refused.value} {refused.value.hint}"
    with pytest.raises(StoreError, match=r"^s3://bucket/p: .*given: secret_access_key"):
        open_store("s3://bucket/p?secret_access_key=HUNTER2")


def test_a_scheme_without_a_store_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(StoreError, match="no store for ftp") as refused:
        open_store("ftp://host/folder")
    for form in (
        "file:///FOLDER",
        "s3://BUCKET/PREFIX?region=REGION",
        "gs://BUCKET/PREFIX",
        "az://CONTAINER/PREFIX?acc",
    ):
        assert form in str(refused.value.hint)


@pytest.mark.parametrize(
    "url", ["file://data/repository", "s3://?region=x", "s3:///prefix", "s3://bucket?regoin=x", "s3://["]
)
def test_a_slip_in_a_url_is_refused_and_not_taken_for_another_place(url: str) -> None:
    with pytest.raises(StoreError) as refused:
        open_store(url)
    assert refused.value.hint is not None
