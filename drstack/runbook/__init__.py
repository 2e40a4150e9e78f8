"""The runbook: what to do when a site is lost, from the plans that would be carried out, for paper."""
