"""What runs inside the training process: saving and loading by torch DCP, callbacks, resuming, preemption.

The only place of the replicator that knows torch; Transformers and Lightning are imported by the modules that are
named for them, and by no other. Nothing else in the replicator imports this folder (docs/training.md).
"""
