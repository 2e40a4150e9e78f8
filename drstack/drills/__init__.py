"""Drills: a promotion into isolation, measured against the objectives, cleaned up whatever happens (DESIGN, rule 15)."""
