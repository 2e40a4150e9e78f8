"""What components compute without Pulumi."""
