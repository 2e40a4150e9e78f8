"""What the engine tells of an update, line by line of its event log.

Decides which events a person wants to read. Invariant: an event of an unknown kind, or a line cut short, is passed
over: telling progress never fails an update.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_COLOUR = re.compile(r"<\{%.*?%\}>")
_DONE = {
    "create": "created",
    "create-replacement": "created",
    "update": "updated",
    "delete": "deleted",
    "delete-replaced": "deleted",
    "replace": "replaced",
    "read": "read",
    "refresh": "refreshed",
    "import": "imported",
}
Fields = dict[str, object]


@dataclass
class Story:
    """The update so far. `running` maps a resource to what is done to it and since when (clock seconds)."""

    clock: Callable[[], float] = time.monotonic
    running: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    errors: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    changes: dict[str, int] = field(default_factory=dict[str, int])

    def tell(self, line: str) -> str | None:
        """What to show for this line of the log, if anything."""
        try:
            event: object = json.loads(line)
        except ValueError:
            return None
        for kind, told in _fields(event).items():
            teller = {
                "resourcePreEvent": self._begun,
                "resOutputsEvent": self._done,
                "resOpFailedEvent": self._failed,
                "diagnosticEvent": self._diagnostic,
                "policyEvent": self._policy,
                "errorEvent": self._error,
                "summaryEvent": self._summary,
            }.get(kind)
            if teller is not None:
                return teller(_fields(told))
        return None

    def waiting(self) -> str | None:
        """What is being waited for, if anything."""
        if not self.running:
            return None
        (name, (doing, since)), more = next(iter(self.running.items())), len(self.running) - 1
        return f"{doing} {name} for {self.clock() - since:.0f} s" + (f", and {more} more" if more else "")

    def _begun(self, told: Fields) -> None:
        name, doing = _step(told)
        if doing in _DONE:
            self.running[name] = (doing, self.clock())

    def _done(self, told: Fields) -> str | None:
        name, doing = _step(told)
        since = self.running.pop(name, (doing, self.clock()))[1]
        if doing not in _DONE or told.get("planning"):
            return f"{doing} {name}" if doing in _DONE and doing not in {"read", "refresh"} else None
        if doing in {"read", "refresh"}:
            return None
        return f"{_DONE[doing]} {name} ({self.clock() - since:.1f} s)"

    def _failed(self, told: Fields) -> str:
        name, doing = _step(told)
        self.running.pop(name, None)
        return f"failed: {doing} {name}"

    def _diagnostic(self, told: Fields) -> str | None:
        text = _plain(told.get("message"))
        severity = told.get("severity")
        if told.get("ephemeral") or not text or severity not in {"error", "warning", "info", "info#err"}:
            return None
        where = resource_name(str(told.get("urn") or ""))
        text = f"{where}: {text}" if where else text
        if severity == "error":
            self.errors.append(text)
        elif severity == "warning":
            self.warnings.append(text)
        return f"{severity}: {text}" if severity in {"error", "warning"} else text

    def _policy(self, told: Fields) -> str:
        where = resource_name(str(told.get("resourceUrn") or ""))
        text = f"{told.get('policyName')}: {where}: {_plain(told.get('message'))}"
        mandatory = told.get("enforcementLevel") == "mandatory"
        (self.errors if mandatory else self.warnings).append(text)
        return f"policy {text}"

    def _error(self, told: Fields) -> str:
        self.errors.append(_plain(told.get("error")))
        return f"error: {self.errors[-1]}"

    def _summary(self, told: Fields) -> None:
        changes = _fields(told.get("resourceChanges"))
        self.changes = {name: count for name, count in changes.items() if isinstance(count, int)}


def resource_name(urn: str) -> str:
    """`type name` of a URN; empty for none."""
    parts = urn.split("::", 3)
    if len(parts) < 4:  # noqa: PLR2004 - urn:pulumi:STACK :: PROJECT :: TYPES :: NAME
        return ""
    return f"{parts[2].rpartition('$')[2]} {parts[3]}"


def _step(told: Fields) -> tuple[str, str]:
    metadata = _fields(told.get("metadata"))
    return resource_name(str(metadata.get("urn") or "")), str(metadata.get("op") or "")


def _fields(value: object) -> Fields:
    return cast("Fields", value) if isinstance(value, dict) else {}


def _plain(text: object) -> str:
    return _COLOUR.sub("", text).strip() if isinstance(text, str) else ""
