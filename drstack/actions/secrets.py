"""Secrets, read where they are kept at the moment of use, and taken out of everything that is told afterwards.

Invariant: a value that was read here stands in no text that went through `Secrets.masked`, however it was quoted.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from drstack.errors import StepFailed
from drstack.spec.references import REFERENCE

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from pathlib import Path

MASK = "***"
_LARGEST_BYTES = 65536
_SHORTEST = 4
"""A shorter value is masked as a whole word of output would be: not at all, or nothing could be read any more."""


class Secrets:
    """Those that one step uses. `root`: what relative paths are relative to."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._environment = os.environ if environment is None else environment
        self._values: set[str] = set()

    def filled(self, text: str) -> str:
        """The text with the secrets in place of their references. StepFailed, naming the reference."""
        return REFERENCE.sub(self._read, text)

    def _read(self, found: re.Match[str]) -> str:
        value = self._variable(found[2]) if found[1] else self._file(found[4])
        self._values.add(value)
        self._values.update(line for line in value.splitlines() if len(line) >= 2 * _SHORTEST)
        return value

    def _variable(self, name: str) -> str:
        value = self._environment.get(name)
        if not value:
            raise StepFailed(
                f"the secret ${{env:{name}}} is not set here", hint=f"Set {name}, then: drstack resume ENV"
            )
        return value

    def _file(self, name: str) -> str:
        try:
            with (self._root / name).open("rb") as opened:
                read = opened.read(_LARGEST_BYTES + 1)
            text = read.decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise StepFailed(f"the secret ${{file:{name}}} cannot be read: {why}") from error
        if not text or len(read) > _LARGEST_BYTES:
            raise StepFailed(f"the secret ${{file:{name}}} is empty, or larger than {_LARGEST_BYTES} bytes")
        return text

    def masked(self, text: str) -> str:
        for form in sorted({form for value in self._values for form in _forms(value)}, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text

    @property
    def longest(self) -> int:
        """Characters of the longest form that is masked: so much of a cut text's edge may be part of a secret."""
        return max((len(form) for value in self._values for form in _forms(value)), default=0)


def _forms(value: str) -> set[str]:
    """As it is, and as JSON, URLs, shells, Python and basic authentication write it."""
    if len(value) < _SHORTEST:
        return set()
    encoded = base64.b64encode(value.encode()).decode()
    quoted = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    return {value, quote(value, safe=""), quote(value), encoded, encoded.rstrip("="), *quoted}
