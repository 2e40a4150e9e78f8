"""Checkpoint files seen as tensors at byte ranges: `parse` is the way in, and it raises nothing."""

from replicator.formats.parse import parse
from replicator.formats.tensors import ObjectRange, ParsedCheckpoint, TensorRange

__all__ = ["ObjectRange", "ParsedCheckpoint", "TensorRange", "parse"]
