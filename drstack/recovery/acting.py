"""What recovery asks of a step of users' own: to do it, and to say whether it is done. `drstack.actions` implements it.

Invariant: nothing here raises for trouble. What happened is one of four words, and unknown is one of them (rule 13).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Doc = dict[str, Any]
Word = Literal["done", "failed", "unknown", "needs consent"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may know of its operation. No field is a secret."""

    environment: str
    operation: str
    target: str
    sources: tuple[str, ...]
    """Sites that lose workloads."""
    workloads: tuple[str, ...]
    step: str
    """Its name in the environment file."""
    token: str
    """The same at every try and for every operator: whoever is asked twice can tell."""
    timeout_s: float
    kind: Literal["promote", "switchover"] = "promote"
    alone: bool = False
    grades: Mapping[str, str] = field(default_factory=dict[str, str])
    """How well each source was fenced; nothing where it was not."""
    consented: bool = False
    """Whether a person said to go on without proof that no other database takes writes."""


@dataclass(frozen=True, slots=True)
class Said:
    """How it went, in one line for people; `result` is kept in the journal. Both hold no secret."""

    word: Word
    detail: str
    result: Doc = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a step is done; None where that could not be told."""

    done: bool | None
    detail: str


class Actions(Protocol):
    """Steps of users' own. Every call ends within a bound that follows from the step's timeout."""

    def act(self, definition: Doc, context: Context) -> Said:
        """Do it once."""
        ...

    def check(self, definition: Doc, context: Context) -> Checked:
        """Ask the step's own check."""
        ...

    def tell(self, definition: Doc, context: Context, message: Doc) -> Said:
        """Tell people or another system of a moment of the operation."""
        ...

    def executor(self) -> Doc:
        """Who this process is, for `gone`."""
        ...

    def gone(self, executor: Doc) -> bool:
        """Whether that process has certainly ended; False where nobody can tell from here."""
        ...


@dataclass(frozen=True, slots=True)
class OwnStep:
    """A step that the environment file declares, as far as an operation's plan cares."""

    name: str
    kind: str
    definition: Doc
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    on: tuple[str, ...] = ("promote", "switchover")
    to: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    timeout_s: float = 60.0
    tries: int = 1
    repeatable: bool = False
    checked: bool = False
    does: Callable[[str], str] = lambda _: ""
    """What it does, in words, for a target."""
    undo: str = ""
