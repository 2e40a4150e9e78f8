"""Proving recovery points: an idle standby resumes one in isolation, replays steps and compares the losses."""
