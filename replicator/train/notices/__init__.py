"""Notices by which a cloud says that it will take this machine away: one small port, one module for each cloud."""

from replicator.train.notices.aws import AwsNotices
from replicator.train.notices.azure import AzureNotices
from replicator.train.notices.detect import notices_of
from replicator.train.notices.gcp import GcpNotices
from replicator.train.notices.notice import Notice, Notices

__all__ = ["AwsNotices", "AzureNotices", "GcpNotices", "Notice", "Notices", "notices_of"]
