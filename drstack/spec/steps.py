"""Steps of users' own: what a promotion, a switchover or a failback does beside what drstack does by itself.

Decides what is told of one step. Invariant: a step has exactly one kind; where it may stand among the others is judged
on the graph itself (`drstack.recovery.weave`).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, WithJsonSchema, model_validator

from drstack.spec.acts import AnsibleAct, DnsAct, HttpAct, HttpCheck, NotifyAct, PostgresAct
from drstack.spec.fields import Declared, Duration, Folder, Name, Word
from drstack.spec.references import Command, Filled

KINDS = ("shell", "http", "python", "ansible", "postgresql", "dns", "notify", "wait")
Kind = Literal["shell", "http", "python", "ansible", "postgresql", "dns", "notify", "wait"]
Occasion = Literal["promote", "switchover", "workload", "keys", "abort"]
Moment = Literal["begin", "end", "failed"]
CONVERGENT: tuple[Kind, ...] = ("postgresql", "dns")
"""Kinds that look before they act and after, and so can be done again whatever became of the first time."""
TIMEOUT_S: dict[Kind, float] = {
    "shell": 300, "http": 60, "python": 300, "ansible": 1800, "postgresql": 120, "dns": 60, "notify": 10, "wait": 3600,
}  # fmt: skip


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
    http: HttpAct | None = Field(default=None, description="An HTTP request.")
    python: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*)?$",
        description="Function as module:function, or the name of an entry point in the group drstack.steps.",
        examples=["acme.dr:scale"],
    )
    args: dict[str, Word] = Field(
        default_factory=dict[str, str], description="Keyword arguments of `python`.", examples=[{"nodes": 4}]
    )
    ansible: AnsibleAct | None = Field(default=None, description="An Ansible playbook.")
    postgresql: PostgresAct | None = Field(default=None, description="A promotion of PostgreSQL.")
    dns: DnsAct | None = Field(default=None, description="A DNS record.")
    notify: NotifyAct | None = Field(default=None, description="A message to people or to another system.")
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
    when: tuple[Moment, ...] = Field(
        default=(),
        description="Moments of the operation at which `notify` tells.",
        examples=[["begin", "end", "failed"]],
    )
    check: Command | None = Field(
        default=None,
        description="Command that says whether it is done: exit 0 done, 1 not done, any other unknown.",
        examples=[["/opt/dr/is-scaled", "{target}"]],
    )
    check_http: HttpCheck | None = Field(default=None, description="Request that says so, in place of `check`.")
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
        further = self.retry if self.retry is not None else (2 if self.kind in (*CONVERGENT, "notify") else 0)
        return 1 + further

    @property
    def repeatable(self) -> bool:
        """Whether it may be done again without knowing what became of the first time."""
        return self.idempotent or self.kind in (*CONVERGENT, "notify")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        present = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(present) != 1:
            raise ValueError(f"one of {', '.join(KINDS)}")
        kind = present[0]
        if self.args and kind != "python":
            raise ValueError("`args` with python alone")
        if self.when and (kind != "notify" or self.after or self.before):
            raise ValueError("`when` with notify alone, and without `after` and `before`")
        if (self.check or self.check_http) and kind in ("wait", "notify"):
            raise ValueError(f"no check with {kind}")
        if self.check and self.check_http:
            raise ValueError("either `check` or `check_http`")
        if self.env and kind not in ("shell", "python", "ansible") and not self.check:
            raise ValueError("`env` with shell, python, ansible or a check")
        if self.timeout == 0:
            raise ValueError("a timeout above 0")
        return self


def document(step: OwnStep) -> dict[str, Any]:
    """The step as a plan holds it: what was declared, references to secrets as they were written."""
    return step.model_dump(mode="json", by_alias=True, exclude_defaults=True)
