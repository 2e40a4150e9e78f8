"""Whether a checkpoint may be trusted: summaries of its tensors, and what they say beside older ones."""

from replicator.admission.findings import Finding, Reason
from replicator.admission.judgement import judge
from replicator.admission.policy import DEFAULT, Policy
from replicator.admission.shards import judge_index
from replicator.admission.summariser import Summariser
from replicator.admission.summary import TensorSummary, combine

__all__ = ["DEFAULT", "Finding", "Policy", "Reason", "Summariser", "TensorSummary", "combine", "judge", "judge_index"]
