"""What a checkpoint was made with: code, data, model, locked dependencies, container, software, hardware.

Gathered where the trainer runs or, as far as it can be known there, beside its folder; compared with the machine at hand;
judged: can this work run on that machine (docs/versions.md). What is unknown is said to be unknown, never guessed.
"""
