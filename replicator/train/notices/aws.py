"""EC2: spot interruption and rebalance recommendation, by IMDSv2 (a session token first).

As AWS documents them: `spot/instance-action` is 404 until two minutes before the end, then
`{"action": "terminate" | "stop" | "hibernate", "time": "2017-09-18T08:22:00Z"}`; the recommendation is 404, then
`{"noticeTime": "2020-10-27T08:22:00Z"}`, and may come long before an interruption, or without one.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from replicator.train.notices.http import Metadata, NoticeUnreadable
from replicator.train.notices.notice import Notice

_BASE = "http://169.254.169.254"
_TOKEN = "/latest/api/token"  # noqa: S105 - a path
_ACTION = "/latest/meta-data/spot/instance-action"
_REBALANCE = "/latest/meta-data/events/recommendations/rebalance"
_TOKEN_SECONDS = "21600"  # noqa: S105 - how long a token holds
_UNAUTHORISED = 401


def _service() -> Metadata:
    return Metadata(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _BASE).rstrip("/"))


@dataclass(slots=True)
class AwsNotices:
    service: Metadata = field(default_factory=_service)
    poll_s: float = 5.0
    _token: str | None = None

    def look(self) -> Notice | None:
        action = self._get(_ACTION)
        if action is not None:
            said = _object(action, _ACTION)
            what, when = said.get("action"), said.get("time")
            return Notice(f"EC2 spot: {what} at {when}", certain=True, ends_at=_unix(when, _ACTION))
        rebalance = self._get(_REBALANCE)
        if rebalance is not None:
            when = _object(rebalance, _REBALANCE).get("noticeTime")
            return Notice(f"EC2 rebalance recommendation of {when}", certain=False)
        return None

    def _get(self, path: str) -> str | None:
        """With the session's token, and with a new one where the service no longer takes it."""
        if self._token is not None:
            try:
                return self.service.get(path, {"X-aws-ec2-metadata-token": self._token})
            except NoticeUnreadable as error:
                if error.status != _UNAUTHORISED:
                    raise
        self._token = self.service.put(_TOKEN, {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS})
        return self.service.get(path, {"X-aws-ec2-metadata-token": self._token})


def _object(text: str, path: str) -> dict[str, object]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoticeUnreadable(f"{path}: not JSON: {text[:80]!r}") from error
    if not isinstance(found, dict):
        raise NoticeUnreadable(f"{path}: not an object: {text[:80]!r}")
    return cast("dict[str, object]", found)


def _unix(when: object, path: str) -> float:
    try:
        return datetime.fromisoformat(str(when)).timestamp()
    except (ValueError, OverflowError) as error:
        raise NoticeUnreadable(f"{path}: time {when!r} is no time") from error
