"""How long bytes stay that nothing names any more: who read the log before may still be reading them."""

GRACE_S = 86_400.0
"""Longer than the longest push and restore."""
