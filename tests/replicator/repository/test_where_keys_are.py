"""Who opens an encrypted repository without its keys is told where they are."""

from __future__ import annotations

import pytest

from replicator.errors import KeyAbsent
from replicator.repository.access import access_to
from replicator.repository.format import initialise, read_format
from replicator.repository.repository import random_token
from replicator.stores.url import open_store


def hint(folder) -> str:
    store = open_store((folder / "store").as_uri())
    found = initialise(
        store, environment=None, witness=None, clock=lambda: 1.0, token=random_token, suite="drstack-hybrid-1"
    )
    with pytest.raises(KeyAbsent) as raised:
        access_to(found or read_format(store), store, None, None)
    assert "is encrypted and signed" in str(raised.value)
    return raised.value.hint or ""


def test_a_local_sites_own_lie_beside_its_store(tmp_path):
    site = tmp_path / "west 1"
    (site / "store").mkdir(parents=True)
    (site / "keys").mkdir()
    (site / "keys" / "trust.json").write_text("{}")
    assert f"--keys '{site / 'keys'}'" in hint(site)


def test_else_the_option_and_where_such_folders_are_is_said(tmp_path):
    (tmp_path / "store").mkdir()
    said = hint(tmp_path)
    assert "--keys FOLDER" in said
    assert "keys/ENVIRONMENT below its root (DRSTACK_ROOT, else .drstack/local" in said
