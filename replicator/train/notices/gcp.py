"""Compute Engine: preemption of spot machines, and host maintenance that ends a machine with GPUs.

As Google documents them, with the header `Metadata-Flavor: Google`: `instance/preempted` is `FALSE` or `TRUE`, and the
machine goes 30 s after it became `TRUE`; `instance/maintenance-event` is `NONE`, `MIGRATE_ON_HOST_MAINTENANCE` or
`TERMINATE_ON_HOST_MAINTENANCE`, an hour ahead for machines with GPUs, 60 s for others.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.train.notices.http import Metadata, NoticeUnreadable
from replicator.train.notices.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

_PREEMPTED = "/computeMetadata/v1/instance/preempted"
_MAINTENANCE = "/computeMetadata/v1/instance/maintenance-event"
_HEADERS = {"Metadata-Flavor": "Google"}
_PREEMPTION_S, _MAINTENANCE_S = 30.0, 60.0


def _service() -> Metadata:
    return Metadata(f"http://{os.environ.get('GCE_METADATA_HOST', 'metadata.google.internal')}")


@dataclass(slots=True)
class GcpNotices:
    service: Metadata = field(default_factory=_service)
    poll_s: float = 1.0
    clock: Callable[[], float] = time.time

    def look(self) -> Notice | None:
        if self._get(_PREEMPTED, ("TRUE", "FALSE")) == "TRUE":
            return Notice("Compute Engine preempts this machine", certain=True, ends_at=self.clock() + _PREEMPTION_S)
        event = self._get(_MAINTENANCE, ("NONE", "MIGRATE_ON_HOST_MAINTENANCE", "TERMINATE_ON_HOST_MAINTENANCE"))
        if event == "TERMINATE_ON_HOST_MAINTENANCE":
            return Notice(
                "Compute Engine ends this machine for host maintenance", certain=True,
                ends_at=self.clock() + _MAINTENANCE_S,
            )  # fmt: skip
        return None

    def _get(self, path: str, documented: tuple[str, ...]) -> str | None:
        answer = self.service.get(path, _HEADERS)
        if answer is not None and answer.strip() not in documented:
            raise NoticeUnreadable(f"{path}: {answer[:80]!r} is none of {', '.join(documented)}")
        return None if answer is None else answer.strip()
