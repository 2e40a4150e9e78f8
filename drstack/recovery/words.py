"""What people sign: an approval of a plan, that they break the glass, that they sign an operation off afterwards.

Each is a statement of a payload type of its own, that names environment, kind of operation, plan and person. Invariant:
what is returned was signed by a key of that person with the role `approver`, which is not revoked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drstack.recovery.quorum import Refused, Signed, Subject
from drstack.spec.keys import APPROVER, person_of
from replicator.crypto.statements import make_statement, open_statement
from replicator.errors import KeyAbsent, RecordCorrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.crypto.keyring import Keyring
    from replicator.crypto.trust import Trust, TrustedKey

Doc = dict[str, Any]
APPROVAL_TYPE = "application/vnd.drstack.approval+json"
BREAK_GLASS_TYPE = "application/vnd.drstack.break-glass+json"
SIGN_OFF_TYPE = "application/vnd.drstack.sign-off+json"


class _Said(BaseModel):
    """`suite` and `scope` are the trust file's; `id` is random, so that each word is told from every other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    scope: str
    id: str
    environment: str
    environment_id: str
    kind: str
    plan: str = Field(pattern=r"^[0-9a-f]{64}$")
    person: str
    at: float

    def subject(self) -> Subject:
        return Subject(self.environment, self.environment_id, self.kind, self.plan)


SaidT = TypeVar("SaidT", bound=_Said)


class _Approval(_Said):
    expires_at: float


class Broken(_Said):
    """Somebody goes on without approvals."""

    reason: str


class SignedOff(_Said):
    """Somebody looked at an operation that went on without approvals."""

    operation: str


def key_of(keys: Keyring, person: str, what: str) -> TrustedKey:
    """A key of this person at hand. KeyAbsent, saying how one is made."""
    known = [key.name for key in keys.trust.keys if person_of(key.name) == person and APPROVER in key.roles]
    if not known:
        raise KeyAbsent(
            f"{keys.folder / 'trust.json'} knows no key of {person}, who is to sign {what}",
            hint=f"{person} makes one: drstack keys approver ENV {person}; everybody else: drstack keys trust ENV FILE.",
        )
    return keys.signer((APPROVER,), what, among=known)


def _sign(keys: Keyring, key: TrustedKey, of: str, subject: Subject, said: Mapping[str, Any]) -> Doc:
    body = {
        "environment": subject.environment, "environment_id": subject.environment_id, "kind": subject.kind,
        "plan": subject.plan, "person": person_of(key.name), **said,
    }  # fmt: skip
    return make_statement(keys, key, of, body)


def sign_approval(keys: Keyring, key: TrustedKey, subject: Subject, *, id: str, at: float, expires_s: float) -> Doc:  # noqa: A002 - the field's name
    """The envelope of an approval. `expires_s`: seconds that it counts."""
    return _sign(keys, key, APPROVAL_TYPE, subject, {"id": id, "at": at, "expires_at": at + expires_s})


def sign_break(keys: Keyring, key: TrustedKey, subject: Subject, *, id: str, at: float, reason: str) -> Doc:  # noqa: A002 - the field's name
    """The envelope of the word of who breaks the glass."""
    return _sign(keys, key, BREAK_GLASS_TYPE, subject, {"id": id, "at": at, "reason": reason})


def sign_off_word(keys: Keyring, key: TrustedKey, subject: Subject, *, id: str, at: float, operation: str) -> Doc:  # noqa: A002 - the field's name
    """The envelope of the word of who signs an operation off."""
    return _sign(keys, key, SIGN_OFF_TYPE, subject, {"id": id, "at": at, "operation": operation})


def read_approval(trust: Trust, envelope: Mapping[str, Any], where: str) -> Signed | Refused:
    """Whose approval it is; never raises for what anybody may have written there."""
    try:
        said, key = _open(trust, envelope, where, APPROVAL_TYPE, _Approval)
    except RecordCorrupt as error:
        return Refused(str(error))
    return Signed(said.id, said.person, key, said.subject(), said.at, said.expires_at)


def read_break(trust: Trust, envelope: Mapping[str, Any], where: str) -> Broken:
    """SignatureRefused, RecordCorrupt where it is nobody's word."""
    return _open(trust, envelope, where, BREAK_GLASS_TYPE, Broken)[0]


def read_sign_off(trust: Trust, envelope: Mapping[str, Any], where: str) -> SignedOff:
    """SignatureRefused, RecordCorrupt where it is nobody's word."""
    return _open(trust, envelope, where, SIGN_OFF_TYPE, SignedOff)[0]


def _open(trust: Trust, envelope: Mapping[str, Any], where: str, of: str, model: type[SaidT]) -> tuple[SaidT, str]:
    statement = open_statement(trust, envelope, where, payload_type=of, role=APPROVER)
    try:
        said = model.model_validate(dict(statement.payload))
    except ValidationError as error:
        raise RecordCorrupt(f"{where}: {error.errors()[0]['msg']}") from error
    if person_of(statement.key.name) != said.person:
        raise RecordCorrupt(f"{where}: key {statement.key.name} signed as {said.person}")
    return said, statement.key.name
