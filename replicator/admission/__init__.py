"""Whether a checkpoint may be trusted: summaries of its tensors, and what they say beside older ones."""

from replicator.admission.findings import Finding, Reason
from replicator.admission.judgement import judge
from replicator.admission.policy import Policy
from replicator.admission.summariser import Summariser
from replicator.admission.summary import TensorSummary, combine

__all__ = ["Finding", "Policy", "Reason", "Summariser", "TensorSummary", "combine", "judge"]
