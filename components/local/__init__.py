"""Resources and components of local sites."""
