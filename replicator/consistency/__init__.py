"""Bringing other systems to a checkpoint's step: all ranks stand still, databases and registries are kept with it.

What is kept lies beside the checkpoint in the same commit: complete or absent together (docs/consistency.md).
"""
