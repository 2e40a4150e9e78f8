from pathlib import Path

import pytest

from drstack.errors import DrstackError
from drstack.spec import resolve_url

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


@pytest.mark.parametrize("url", ["s3://b/p?region=r", "gs://b", "az://c", "memory://", "azblob://c", "https://api.x"])
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
