"""Keys of a family of repositories, made once for all tests: they are only read."""

from __future__ import annotations

import pytest

from tests.replicator.crypto.rig import Family, founded


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return founded(tmp_path_factory.mktemp("keys") / "k")


@pytest.fixture
def family(tmp_path):
    return Family(tmp_path / "family")
