"""What is a checkpoint in a watched folder, whether it is complete, of which step, and how a trainer resumes from it."""

from replicator.layouts.candidate import Candidate, Certainty, Layout, Settle
from replicator.layouts.registry import LAYOUTS, find, inspect, resume_command
from replicator.layouts.runs import Run, find_runs, sanitised, workload_name

__all__ = [
    "LAYOUTS", "Candidate", "Certainty", "Layout", "Run", "Settle", "find", "find_runs", "inspect", "resume_command",
    "sanitised", "workload_name",
]  # fmt: skip
