"""Tests that could not run are listed at the end, and fail in CI (tools/notrun.py)."""

import os
import tempfile

os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="drstack-tests-")

pytest_plugins = ["tools.notrun"]
