"""Contacts: whom to call, in which order, when work has to be brought back.

Decides what is enough to reach somebody. Invariant: a contact has a number or an address, each on one line.
"""

import re
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from drstack.spec.fields import Declared, Duration

PHONE = r"^\+?[0-9][0-9 ()./-]{2,30}$"
EMAIL = r"^[^@\s<>]+@[^@\s<>]+$"
TEXT = r"^[^\n\r\t]{1,200}$"


def _phone(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(PHONE, value):
        return value
    raise PydanticCustomError(
        "phone", "a telephone number, as text in quotes", {"remedy": 'write phone: "+49 30 123456", in quotes'}
    )


def _email(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(EMAIL, value) and value.isprintable():
        return value
    raise PydanticCustomError("email", "an e-mail address", {"remedy": "write email: ops@example.org"})


def _text(value: object) -> object:
    if isinstance(value, str) and value.isprintable() and re.fullmatch(TEXT, value) and value.strip():
        return value
    raise PydanticCustomError("line", "text on one line, at most 200 long", {"remedy": "write a few words"})


Phone = Annotated[str, BeforeValidator(_phone), WithJsonSchema({"type": "string", "pattern": PHONE})]
Email = Annotated[str, BeforeValidator(_email), WithJsonSchema({"type": "string", "pattern": EMAIL})]
OneLine = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": "string", "pattern": TEXT})]


class Contact(Declared):
    """Somebody to call. The order in the file is the order of escalation."""

    name: OneLine = Field(description="Who it is.", examples=["Ada Lovelace, GPU on call"])
    phone: Phone | None = Field(default=None, description="Telephone number, in quotes.", examples=["+49 30 123456"])
    email: Email | None = Field(default=None, description="E-mail address.", examples=["gpu-oncall@example.org"])
    when: OneLine | None = Field(
        default=None, description="When they can be reached, or for what to call them.", examples=["at any hour"]
    )
    after: Duration | None = Field(
        default=None,
        description="How long nobody before has answered until they are called. Default: with the one before.",
        examples=["15m"],
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.phone is None and self.email is None:
            raise PydanticCustomError(
                "contact", "a contact with a telephone number or an e-mail address", {"remedy": "add phone: or email:"}
            )
        return self
