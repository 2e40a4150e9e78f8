"""Tests that could not run are listed at the end, and fail in CI (tools/notrun.py)."""

pytest_plugins = ["tools.notrun"]
