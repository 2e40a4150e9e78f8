"""Statements: what a person signs outside of every log, in a DSSE envelope of a payload type of its own.

Invariant: what is opened was signed by both algorithms, by one key of the trust file that has the role asked for, that is
not revoked, for this family and suite, and as a statement of this type: no record, and no statement of another type,
passes for it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.crypto.suites import suite_named
from replicator.errors import KeyRevoked, SignatureRefused
from replicator.log.records import canonical, parse_envelope, payload_in
from replicator.model import Signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.crypto.keyring import Keyring
    from replicator.crypto.roles import Role
    from replicator.crypto.suites.suite import Suite
    from replicator.crypto.trust import Trust, TrustedKey


@dataclass(frozen=True, slots=True)
class Statement:
    """What was said, and the key that signed it."""

    payload: Mapping[str, Any]
    key: TrustedKey


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign_with(ring: Keyring, suite: Suite, key: TrustedKey, message: bytes) -> tuple[Signature, ...]:
    """Every algorithm's signature by one key. KeyAbsent, KeyLocked."""
    made = suite.sign(ring.seed(key.name), message)
    return tuple(
        Signature(keyid=f"{key.name}#{algorithm}", sig=base64.b64encode(sig).decode())
        for algorithm, sig in sorted(made.items())
    )


def signer_of(trust: Trust, suite: Suite, given: Sequence[tuple[str, bytes]], message: bytes, where: str) -> TrustedKey:
    """The one key that made all of the signatures. SignatureRefused. Role and revocation are the caller's to judge."""
    by = [(*keyid.rpartition("#")[::2], sig) for keyid, sig in given]
    names = {name for name, _, _ in by}
    if len(names) != 1:
        raise SignatureRefused(f"{where}: is not signed" if not names else f"{where}: is signed by several keys")
    name = names.pop()
    key = trust.key(name)
    if key is None:
        raise SignatureRefused(f"{where}: the trust file knows no key {name!r}")
    found = {algorithm: sig for _, algorithm, sig in by}
    if len(found) < len(by) or not suite.verify(key.public, message, found):
        raise SignatureRefused(f"{where}: the signatures of key {name} do not hold")
    return key


def make_statement(ring: Keyring, key: TrustedKey, payload_type: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """The envelope, as JSON. `said` gets suite and family beside it. KeyAbsent, KeyLocked."""
    payload = canonical({**said, **_binding(ring.trust)})
    signed = sign_with(ring, suite_named(ring.trust.suite), key, pae(payload_type, payload))
    return {
        "payloadType": payload_type, "payload": base64.b64encode(payload).decode(),
        "signatures": [each.model_dump() for each in signed],
    }  # fmt: skip


def open_statement(
    trust: Trust, envelope: Mapping[str, Any], where: str, *, payload_type: str, role: Role
) -> Statement:
    """What was said. RecordCorrupt where it is no envelope; SignatureRefused, KeyRevoked where nobody said it who may."""
    parsed = parse_envelope(canonical(dict(envelope)), where)
    payload = payload_in(parsed, where, payload_type)
    key = signer_of(trust, suite_named(trust.suite), parsed.signatures, pae(payload_type, parsed.payload), where)
    for name, value in _binding(trust).items():
        if payload.get(name) != value:
            raise SignatureRefused(f"{where}: is of {name} {payload.get(name)!r}, not {value!r}")
    if role not in key.roles:
        raise SignatureRefused(f"{where}: key {key.name} is {' and '.join(key.roles)}, and signed as {role}")
    if key.revoked is not None:
        raise KeyRevoked(f"{where}: key {key.name} was revoked ({key.revoked.reason})")
    return Statement(payload, key)


def _binding(trust: Trust) -> dict[str, str]:
    return {"suite": trust.suite, "scope": trust.scope}
