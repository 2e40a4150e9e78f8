"""Keys of a family of repositories, made once for all tests: they are only read."""

from __future__ import annotations

import pytest

from tests.replicator.crypto.rig import founded


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return founded(tmp_path_factory.mktemp("keys") / "k")
