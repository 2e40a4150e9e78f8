"""Azure: scheduled events of this virtual machine, by the Instance Metadata Service (header `Metadata: true`).

As Microsoft documents them: `{"Events": [{"EventType": "Preempt", "Resources": ["name"], "EventStatus": "Scheduled",
"NotBefore": "Mon, 19 Sep 2016 18:29:47 GMT", …}]}`. A scale set shows the events of all of its machines, so the own
name is asked for too. `Preempt` comes at least 30 s ahead, `Reboot`, `Redeploy` and `Terminate` minutes. `Freeze` is a
pause of seconds: nothing is done. Events are not acknowledged: that would make them come sooner.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from replicator.train.notices.http import Metadata, NoticeUnreadable
from replicator.train.notices.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

_BASE = "http://169.254.169.254"
_EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
_NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
_HEADERS = {"Metadata": "true"}
_ENDING = ("Preempt", "Terminate", "Redeploy", "Reboot")


class _Event(BaseModel):
    model_config = ConfigDict(extra="ignore")

    kind: str = Field(alias="EventType")
    resources: tuple[str, ...] = Field(alias="Resources", default=())
    status: str = Field(alias="EventStatus", default="")
    not_before: str = Field(alias="NotBefore", default="")


class _Events(BaseModel):
    model_config = ConfigDict(extra="ignore")

    events: tuple[_Event, ...] = Field(alias="Events")


@dataclass(slots=True)
class AzureNotices:
    service: Metadata = field(default_factory=lambda: Metadata(_BASE, timeout_s=5.0))
    poll_s: float = 1.0
    clock: Callable[[], float] = time.time
    _name: str | None = None

    def look(self) -> Notice | None:
        if self._name is None:
            self._name = (self.service.get(_NAME, _HEADERS) or "").strip()
        answer = self.service.get(_EVENTS, _HEADERS)
        if answer is None:
            return None
        try:
            found = _Events.model_validate(json.loads(answer))
        except (ValueError, RecursionError) as error:
            raise NoticeUnreadable(f"{_EVENTS}: {error}") from error
        for event in found.events:
            ours = not self._name or not event.resources or self._name in event.resources
            if ours and event.kind in _ENDING and event.status in ("Scheduled", "Started"):
                return Notice(f"Azure: {event.kind} of this machine", certain=True, ends_at=self._ends_at(event))
        return None

    def _ends_at(self, event: _Event) -> float:
        """An event that has started has no time any more: it is now."""
        if not event.not_before:
            return self.clock()
        try:
            when = parsedate_to_datetime(event.not_before)
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError) as error:
            raise NoticeUnreadable(f"{_EVENTS}: NotBefore {event.not_before!r} is no time") from error
