"""What this machine has last seen on the witness: sites' descriptors and the newest assignment, for when it is away.

Decides nothing: a copy is as old as the last look. The layout is that of a recovery kit's `witness/`, so that a kit may
stand in for it on a machine that never looked.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from drstack.errors import WitnessUnsound
from drstack.witness.assignment import Assignment
from replicator.service.durable import write_durably

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FOLDER = "seen"
"""Below the folder that holds what is local to a project; then the environment's name."""
ASSIGNMENT = "assignment.json"
DESCRIPTORS = "descriptors"


class Seen:
    """Copies in `folder`. `kit`: the `witness/` of a recovery kit, for what is not in `folder`."""

    def __init__(self, folder: Path, kit: Path | None = None) -> None:
        self.folder = folder
        self._kit = kit

    def descriptor(self, site: str) -> dict[str, Any] | None:
        """The descriptor of a site, as it was; None where it was never seen. WitnessUnsound if the copy is damaged."""
        return self._read(f"{DESCRIPTORS}/{site}.json")

    def assignment(self) -> Assignment | None:
        """The newest assignment that was seen. As `descriptor`."""
        body = self._read(ASSIGNMENT)
        try:
            return None if body is None else Assignment.model_validate(body)
        except ValidationError as error:
            raise self._damaged(ASSIGNMENT, error) from error

    def note_descriptor(self, site: str, body: Mapping[str, Any]) -> None:
        self._note(f"{DESCRIPTORS}/{site}.json", body)

    def note_assignment(self, assignment: Assignment) -> None:
        self._note(ASSIGNMENT, assignment.model_dump(mode="json"))

    def _note(self, name: str, body: Mapping[str, Any]) -> None:
        """A machine that can keep nothing goes on without: it is told so where the copy is needed."""
        path, text = self.folder / name, json.dumps(body, indent=1, sort_keys=True) + "\n"
        with contextlib.suppress(OSError):
            if not path.is_file() or path.read_text() != text:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_durably(path, text.encode())

    def _read(self, name: str) -> dict[str, Any] | None:
        for folder in (self.folder, *([self._kit] if self._kit else ())):
            path = folder / name
            if not path.is_file():
                continue
            try:
                told: object = json.loads(path.read_text())
            except (OSError, ValueError) as error:
                raise self._damaged(str(path), error) from error
            if not isinstance(told, dict):
                raise self._damaged(str(path), ValueError("not an object"))
            return cast("dict[str, Any]", told)
        return None

    def _damaged(self, name: str, error: Exception) -> WitnessUnsound:
        return WitnessUnsound(
            f"{name}, what was last seen of the witness, cannot be read: {error}",
            hint=f"Remove {self.folder}, and take it from a recovery kit: --kit PATH.",
        )
