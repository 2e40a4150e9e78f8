"""A judgement that did not hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`message` says what is wrong and what to do. `about` is the URN of a resource, where one is meant."""

    message: str
    about: str | None = None
