"""What could not run is listed at the end (tools/notrun.py), and which fault cases ran (tools/cases.py)."""

import pytest
import structlog
from hypothesis import settings

from replicator.crypto.keyring import default_folder

settings.register_profile("behaviour, not speed", deadline=None)
settings.load_profile("behaviour, not speed")
pytest_plugins = ["tools.notrun", "tools.cases"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first, so that at the end no worker waits for the other."""
    long = {item.path for item in items if item.get_closest_marker("engine")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True)
def _the_users_own_keys_are_left_alone():
    """A test that makes keys where the user has theirs would change what the tests after it do."""
    folder = default_folder()
    there = folder.exists()
    yield
    assert folder.exists() == there, f"this test made {folder}; give it --keys, or --crypto none"


@pytest.fixture(autouse=True)
def _logs_go_where_they_went_before():
    """A command that ran within a test leaves loggers on a stream that is closed by now."""
    yield
    structlog.reset_defaults()
