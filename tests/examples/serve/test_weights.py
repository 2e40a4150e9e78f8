"""What torch may load: nothing that no digest vouches for, and nothing without its receipts."""

from __future__ import annotations

import pytest

from examples.serve.weights import Source
from replicator.errors import DataCorrupt
from tests.examples.serve.conftest import Shelf

LEVELS = ("stored", "decoded")


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "step-00000010"
    folder.mkdir()
    (folder / ".metadata").write_bytes(b"m" * 100)
    (folder / "__0_0.distcp").write_bytes(bytes(range(256)) * 4000)
    return folder


def test_nothing_is_served_without_the_receipts(shelf: Shelf, checkpoint, tmp_path):
    source = Source(shelf.url, "gpt", LEVELS, tmp_path / "weights")
    assert source.newest() is None
    shelf.put(checkpoint, 10, receipts=False)
    assert source.newest() is None
    assert Source(shelf.url, "gpt", (), tmp_path / "weights").newest().commit == "1.1"
    shelf.put(checkpoint, 20)
    assert (source.newest().commit, source.newest().step) == ("1.2", 20)


def test_a_damaged_pack_leaves_nothing_to_load(shelf: Shelf, checkpoint, tmp_path):
    shelf.put(checkpoint, 10)
    source = Source(shelf.url, "gpt", LEVELS, tmp_path / "weights")
    found = source.newest()
    for path in (shelf.folder / "packs").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            body = bytearray(path.read_bytes())
            body[len(body) // 2] ^= 1
            path.write_bytes(bytes(body))
    with pytest.raises(DataCorrupt):
        source.fetch(found)
    assert not [path for path in (tmp_path / "weights").rglob("*") if path.is_file()]


def test_what_was_restored_earlier_goes_once_something_newer_serves(shelf: Shelf, checkpoint, tmp_path):
    source = Source(shelf.url, "gpt", LEVELS, tmp_path / "weights")
    shelf.put(checkpoint, 10)
    first = source.newest()
    source.fetch(first)
    shelf.put(checkpoint, 20)
    second = source.newest()
    assert (source.fetch(second) / "__0_0.distcp").read_bytes() == (checkpoint / "__0_0.distcp").read_bytes()
    source.keep_only(second)
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["1.2"]
