"""The trust file: whose word counts and who can read, kept outside of every repository. It is a reader's trust root.

Public keys with their roles, the repositories that they are for, and the least suite. What a repository says of itself
is a hint: one that is not listed here, or claims a lower suite than is written here, is refused.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path  # noqa: TC003 - pydantic and callers read it
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from replicator.crypto.roles import Role
from replicator.crypto.suites import NONE, rank, suite_named
from replicator.errors import KeyAbsent, ReplicatorError, Untrusted
from replicator.json_text import read_json

FILE = "trust.json"
LEAST_RECIPIENTS = 2


def _from_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


Bytes = Annotated[bytes, BeforeValidator(_from_base64), PlainSerializer(_to_base64, return_type=str)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,126}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Revocation(_Frozen):
    """Since when a key counts no more. Entries of a log stand up to the slot it had reached, by `REPOSITORY/LOG`."""

    at: float
    reason: str
    through: dict[str, int] = Field(default_factory=dict)


class TrustedKey(_Frozen):
    """The public half of a key. A recipient reads; the other roles sign."""

    name: Name
    roles: tuple[Role, ...] = Field(min_length=1)
    public: dict[str, Bytes]
    revoked: Revocation | None = None

    @property
    def reads(self) -> bool:
        """Whether what is written from now on is wrapped to it."""
        return "recipient" in self.roles and self.revoked is None


class TrustedRepository(_Frozen):
    """`url` is where it was made or added, as a name for people."""

    id: str
    url: str
    suite: str


class Trust(_Frozen):
    version: Literal[1] = 1
    scope: str
    """What ciphertexts and signatures are bound to: the environment's id, or one drawn at random for repositories of
    their own. All repositories of a trust file share it, so that they may hold each other's packs."""
    suite: str
    """The least that a repository listed here may use, unless its own line says `none`."""
    repositories: tuple[TrustedRepository, ...] = ()
    keys: tuple[TrustedKey, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Trust:
        wanted = dict(suite_named(self.suite).algorithms)
        for key in self.keys:
            if {name: len(half) for name, half in key.public.items()} != wanted:
                raise ValueError(f"keys: {key.name}: its public halves are not those of {self.suite}")
        if len({key.name for key in self.keys}) < len(self.keys):
            raise ValueError("keys: one name is there twice")
        if len({each.id for each in self.repositories}) < len(self.repositories):
            raise ValueError("repositories: one id is there twice")
        if len(self.recipients()) < LEAST_RECIPIENTS:
            raise ValueError(f"keys: fewer than {LEAST_RECIPIENTS} recipients; a single one that is lost loses all")
        return self

    def recipients(self) -> tuple[TrustedKey, ...]:
        return tuple(key for key in self.keys if key.reads)

    def key(self, name: str) -> TrustedKey | None:
        return next((key for key in self.keys if key.name == name), None)

    def admit(self, repository: str, claimed: str, url: str) -> str:
        """The suite under which the repository of this id is read: `claimed`, where that is enough. Else Untrusted."""
        listed = next((each for each in self.repositories if each.id == repository), None)
        if listed is None:
            raise Untrusted(
                f"{url}: the trust file does not know repository {repository}",
                hint="If you made it: replicator keys trust --repo URL, after comparing the id. If not, it was exchanged.",
            )
        wanted = NONE if listed.suite == NONE else max(self.suite, listed.suite, key=rank)
        if rank(claimed) < rank(wanted):
            raise Untrusted(f"{url} says that it uses suite {claimed}; the trust file demands {wanted}")
        return claimed

    def listing(self, repository: TrustedRepository) -> Trust:
        """The trust file with the repository in it. Untrusted if it is listed with a higher suite."""
        there = next((each for each in self.repositories if each.id == repository.id), None)
        if there is not None and rank(there.suite) > rank(repository.suite):
            raise Untrusted(f"{repository.url}: the trust file lists it with suite {there.suite}")
        others = tuple(each for each in self.repositories if each.id != repository.id)
        return self.model_copy(update={"repositories": (*others, there or repository)})

    def with_key(self, key: TrustedKey) -> Trust:
        """The trust file with a new key, or a changed one; checked."""
        known = self.key(key.name) is not None
        keys = [key if each.name == key.name else each for each in self.keys] + ([] if known else [key])
        return checked({**self.model_dump(), "keys": [each.model_dump() for each in keys]})


def checked(value: object, where: str = FILE) -> Trust:
    """Untrusted, naming the field, if it is not a trust file."""
    try:
        return Trust.model_validate(value)
    except ValidationError as error:
        raise Untrusted(f"{where}: {_problem(error)}") from error


def read_trust(folder: Path) -> Trust:
    """KeyAbsent if the folder has none, Untrusted if it cannot be read."""
    path = folder / FILE
    try:
        return read_json(Trust, path.read_bytes())
    except FileNotFoundError as error:
        raise KeyAbsent(f"{folder} holds no {FILE}") from error
    except ValidationError as error:
        raise Untrusted(f"{path}: {_problem(error)}") from error
    except OSError as error:
        raise Untrusted(f"{path}: {error.strerror or error}") from error


def write_trust(folder: Path, trust: Trust) -> None:
    """Replace the folder's trust file, atomically."""
    write_whole(folder / FILE, (trust.model_dump_json(indent=1) + "\n").encode(), mode=0o644)


def write_whole(path: Path, body: bytes, *, mode: int) -> None:
    """The file is there whole, with that mode from its first byte, or not at all."""
    staged = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError as error:
        raise ReplicatorError(
            f"{path}: {error.strerror or error}", hint="Check that folder, and the space on its disk."
        ) from error


def _problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"])
    return f"{field}: {problem['msg']}" if field else problem["msg"]
