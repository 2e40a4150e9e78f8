"""Makes a fresh checkout ready: uv, then the virtual environment `.venv` out of the lock."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


class SetupFailed(Exception):
    """The message says what is missing and what to do about it."""
