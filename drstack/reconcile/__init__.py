"""The Pulumi command line, run so that nothing of it outlives its caller, and repaired where it was killed."""
