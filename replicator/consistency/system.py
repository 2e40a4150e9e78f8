"""A system that takes part in a consistent point, and how long each of its steps may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from replicator.errors import PointNotMade
from replicator.within import Late
from replicator.within import within as answer_within

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """What a system says of what it kept. No secret may be in it: it stands in the log."""

    told: str
    facts: dict[str, str] = field(default_factory=dict[str, str])


class System(Protocol):
    """Between `quiesce` and `release` it stays at one point; `keep` writes that point, or a reference to it, to a folder.

    Each may raise; `release` is called once for every system whose `quiesce` began, in reverse order, whatever happened,
    and also while a step that came too late may still be running. None may take longer than `timeout_s`.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def timeout_s(self) -> float: ...

    def quiesce(self) -> None: ...
    def keep(self, into: Path) -> Kept: ...
    def release(self) -> None: ...


def within(timeout_s: float, what: str, work: Callable[[], T]) -> T:
    """The result of `work`. PointNotMade if it takes longer; its thread is then left behind, and what it returns unused."""
    try:
        return answer_within(timeout_s, work, name="drstack-point")
    except Late as error:
        raise PointNotMade(f"{what} did not end within {timeout_s:g} s") from error
