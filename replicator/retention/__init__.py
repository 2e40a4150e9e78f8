"""What stays and what goes: policies as pure decisions, which take effect by slots alone (DESIGN, rule 6)."""
