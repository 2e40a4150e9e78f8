"""Secrets are named, never written: `${env:NAME}` is a variable of the operator's environment, `${file:PATH}` a file.

Decides what counts as a reference and where one may stand. Invariant: a value that is refused is not told back, because
it may be a secret that somebody wrote out.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from drstack.spec.urls import shown_url

if TYPE_CHECKING:
    from collections.abc import Sequence

REFERENCE = re.compile(r"\$\{(env):([A-Za-z_][A-Za-z0-9_]*)\}|\$\{(file):([^}\0]+)\}")
"""Groups: env and its name, or file and its path."""
_ANY = r"^\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)\}$"
_COMMAND = "text for sh, or a list: a program and its arguments"
_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|password|api-?key|signature", re.IGNORECASE)


def is_reference(text: str) -> bool:
    return REFERENCE.fullmatch(text) is not None


def _secret(text: str) -> str:
    if not is_reference(text):
        raise PydanticCustomError(
            "secret",
            "a reference to a secret, kept elsewhere",
            {"got": "a value written out", "remedy": "write ${env:NAME} or ${file:PATH}"},
        )
    return text


def _filled(text: str) -> str:
    for found in re.finditer(r"\$\{(env|file):[^}]*\}?", text):
        if not is_reference(found[0]):
            raise PydanticCustomError(
                "reference", "text with references such as ${env:NAME} or ${file:PATH}", {"remedy": "correct ${…}"}
            )
    return text


def _address(url: str) -> str:
    """A URL that is a reference as a whole, or http(s) without a secret written into it."""
    _filled(url)
    if is_reference(url):
        return url
    if not re.match(r"https?://[^/?#]", url):
        raise PydanticCustomError(
            "url", "an address such as https://host/path, or a reference to one", {"got": "another text"}
        )
    plain = REFERENCE.sub("x", url)
    if shown_url(plain) != plain:
        raise PydanticCustomError(
            "url",
            "an address without user, password or keys in it",
            {"got": shown_url(plain), "remedy": "write ${env:NAME} in place of the secret, or of the whole address"},
        )
    return url


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if _SECRET_HEADER.search(name) and REFERENCE.search(value) is None:
            raise PydanticCustomError(
                "header",
                "a reference to a secret in {name}",
                {"name": name, "got": "a value written out", "remedy": f"write {name}: ${{env:NAME}}"},
            )
    return headers


def _command(value: object) -> tuple[str, ...]:
    """Text is a script for sh, a list a program with its arguments; neither may hold a secret, which `ps` would show."""
    if isinstance(value, str):
        words: list[str] = ["/bin/sh", "-euc", value]
    elif isinstance(value, list | tuple):
        words = [_word(each) for each in cast("Sequence[object]", value)]
    else:
        words = []
    if not words or not words[-1 if words[:2] == ["/bin/sh", "-euc"] else 0].strip():
        raise PydanticCustomError("command", _COMMAND)
    if any(REFERENCE.search(word) for word in words):
        raise PydanticCustomError(
            "command",
            "arguments without secrets, which every user of the machine could see",
            {"got": "a reference to a secret", "remedy": "put it under env: and read the variable in the program"},
        )
    return tuple(words)


def _word(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or "\0" in str(value):
        raise PydanticCustomError("command", _COMMAND)
    return str(value)


def shown_command(words: tuple[str, ...]) -> str:
    """A command as a person would type it."""
    return words[2] if words[:2] == ("/bin/sh", "-euc") else shlex.join(words)


Secret = Annotated[str, AfterValidator(_secret), WithJsonSchema({"type": "string", "pattern": _ANY})]
Filled = Annotated[str, AfterValidator(_filled)]
Address = Annotated[str, AfterValidator(_address)]
Headers = Annotated[dict[str, Filled], AfterValidator(_headers)]
Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_command),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}},
            ]
        }
    ),
]
