"""No process outlives its test, however that ended."""

from __future__ import annotations

import pytest

from tests.faults.site import STARTED


@pytest.fixture(autouse=True)
def _nothing_is_left_running():
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait(30)
