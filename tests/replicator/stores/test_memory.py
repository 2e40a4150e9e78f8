from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.stores.cloud import memory_store
from replicator.stores.url import open_store
from tests.replicator.stores.contract import StoreContract

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.stores.store import ObjectStore


class TestMemory(StoreContract):
    @pytest.fixture
    def bare(self) -> ObjectStore:
        return memory_store()

    @pytest.fixture
    def reopen(self, bare: ObjectStore) -> Callable[[], ObjectStore]:
        return lambda: bare


def test_one_name_is_one_memory_and_another_name_another() -> None:
    open_store("memory://contract-a").create("a", b"x")
    assert open_store("memory://contract-a").get("a") == b"x"
    assert list(open_store("memory://contract-b").list("a")) == []
