"""Steps of users' own: what a promotion, a switchover or a failback does beside what drstack does by itself.

Decides what is told of one step. Invariant: a step has exactly one kind; where it may stand among the others is judged
on the graph itself (`drstack.recovery.weave`).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, WithJsonSchema, model_validator

from drstack.spec.fields import Declared, Duration, Folder, Name
from drstack.spec.references import Command, Filled

KINDS = ("shell", "wait")
Kind = Literal["shell", "wait"]
Occasion = Literal["promote", "switchover", "workload", "keys", "abort"]
TIMEOUT_S: dict[Kind, float] = {"shell": 300, "wait": 3600}


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Anchors = Annotated[
    tuple[str, ...],
    BeforeValidator(_several),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class OwnStep(Declared):
    """One step, its kind by the field that is present."""

    shell: Command | None = Field(
        default=None,
        description="Command: a list, or a script for sh.",
        examples=[["/opt/dr/scale", "--site", "{target}"]],
    )
    wait: str | None = Field(
        default=None,
        min_length=1,
        description="What a person has to do and confirm, in words.",
        examples=["Call the data centre"],
    )
    after: Anchors = Field(
        default=(), description="Steps that have to be done before it. Default: the assignment.", examples=["prove gpt"]
    )
    before: Anchors = Field(default=(), description="Steps that wait for it.", examples=[["start gpt"]])
    on: tuple[Occasion, ...] = Field(
        default=("promote", "switchover"),
        min_length=1,
        description="Operations that it is part of.",
        examples=[["promote", "switchover"]],
    )
    to: tuple[Name, ...] = Field(
        default=(), description="Target sites for which it is done. Default: every one.", examples=[["west"]]
    )
    workloads: tuple[Name, ...] = Field(
        default=(),
        description="Workloads that it is about: done if one of them moves. Default: any.",
        examples=[["gpt"]],
    )
    check: Command | None = Field(
        default=None,
        description="Command that says whether it is done: exit 0 done, 1 not done, any other unknown.",
        examples=[["/opt/dr/is-scaled", "{target}"]],
    )
    idempotent: StrictBool = Field(
        default=False, description="Doing it twice does what doing it once does, so that it needs no check."
    )
    timeout: Duration | None = Field(
        default=None,
        description="Longest that one try may take. Default: by kind.",
        examples=["2m"],
    )
    retry: StrictInt | None = Field(
        default=None, ge=0, le=20, description="Further tries after one that failed. Default: by kind.", examples=[2]
    )
    env: dict[str, Filled] = Field(
        default_factory=dict[str, str],
        description="Environment variables of a command, function or playbook.",
        examples=[{"DB_PASSWORD": "${file:/run/secrets/db}"}],
    )
    folder: Folder | None = Field(
        default=None, description="Folder in which it runs, relative to the project. Default: the project's.",
        examples=["dr"],
    )  # fmt: skip
    undo: str | None = Field(
        default=None, min_length=1, description="How it is undone, in words, for whoever reads the plan.",
        examples=["/opt/dr/scale --site {target} --down"],
    )  # fmt: skip

    @property
    def kind(self) -> Kind:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def timeout_s(self) -> float:
        return self.timeout if self.timeout is not None else TIMEOUT_S[self.kind]

    @property
    def tries(self) -> int:
        """How often it is tried at most, unless the outcome of one is unknown."""
        return 1 + (self.retry or 0)

    @property
    def repeatable(self) -> bool:
        """Whether it may be done again without knowing what became of the first time."""
        return self.idempotent

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        present = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(present) != 1:
            raise ValueError(f"one of {', '.join(KINDS)}")
        if self.check and self.wait:
            raise ValueError("no check with wait")
        if self.timeout == 0:
            raise ValueError("a timeout above 0")
        return self


def document(step: OwnStep) -> dict[str, Any]:
    """The step as a plan holds it: what was declared, references to secrets as they were written."""
    return step.model_dump(mode="json", by_alias=True, exclude_defaults=True)
