"""The port to key management services: one wraps a seed so that only who may use its key can unwrap it."""

from replicator.crypto.kms.port import Kms, kms_at

__all__ = ["Kms", "kms_at"]
