"""An operation as one trace: identities that follow from environment and operation alone, and what a span says. Pure.

Whoever executes a step, wherever, arrives at the same trace, and at the same root below which its spans hang.
"""

from __future__ import annotations

import hashlib


def trace_id(environment: str, operation: str) -> str:
    """32 hex digits, as W3C Trace Context writes them."""
    return _hex("trace", environment, operation)[:32]


def root_id(environment: str, operation: str) -> str:
    """The span of the whole operation: 16 hex digits."""
    return _hex("root", environment, operation)[:16]


def _hex(*parts: str) -> str:
    return hashlib.sha256("\0".join(("drstack", *parts)).encode()).hexdigest()
