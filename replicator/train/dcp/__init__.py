"""torch.distributed.checkpoint on a repository: `RepositoryWriter` saves into it, `RepositoryReader` loads from it."""

from replicator.train.dcp.reader import RepositoryReader
from replicator.train.dcp.writer import RepositoryWriter

__all__ = ["RepositoryReader", "RepositoryWriter"]
