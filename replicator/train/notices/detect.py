"""Which cloud this machine is in, from its firmware: nothing is asked over the network to find out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from replicator.train.notices.aws import AwsNotices
from replicator.train.notices.azure import AzureNotices
from replicator.train.notices.gcp import GcpNotices

if TYPE_CHECKING:
    from replicator.train.notices.notice import Notices

Cloud = Literal["auto", "aws", "gcp", "azure"]
_VENDOR = Path("/sys/class/dmi/id/sys_vendor")
_CLOUDS = {"Amazon EC2": "aws", "Google": "gcp", "Microsoft Corporation": "azure"}


def notices_of(cloud: Cloud | None) -> Notices | None:
    """The cloud's notices; None for none, or where `auto` finds no cloud that it knows."""
    found = vendor_cloud(_VENDOR) if cloud == "auto" else cloud
    if found == "aws":
        return AwsNotices()
    if found == "gcp":
        return GcpNotices()
    return AzureNotices() if found == "azure" else None


def vendor_cloud(file: Path) -> str | None:
    try:
        return _CLOUDS.get(file.read_text().strip())
    except OSError:
        return None
