"""What operations tell to systems that watch them."""
