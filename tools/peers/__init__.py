"""Programs that the benchmarks put beside the replicator, and how each gets onto a machine. Nothing else needs them."""
