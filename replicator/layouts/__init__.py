"""What is a checkpoint in a watched folder, whether it is complete, and of which step."""

from replicator.layouts.candidate import Candidate, Layout
from replicator.layouts.dcp import DcpLayout
from replicator.layouts.inspection import inspect
from replicator.layouts.plain import PlainLayout

__all__ = ["Candidate", "DcpLayout", "Layout", "PlainLayout", "inspect"]
