import pytest

pytest.register_assert_rewrite("tests.replicator.stores.contract")
