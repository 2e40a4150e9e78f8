"""Programs that local sites run."""
